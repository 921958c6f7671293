"""Bearer keys for programs, and the Actor behind any request."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiKey, User
from accounts.services import digest
from accounts.types import Actor


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-…`; the key's project is all that exists for the request."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _space, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = (
            ApiKey.objects.select_related("user")
            .filter(digest=digest(key.strip()), revoked_at=None, user__is_active=True)
            .first()
        )
        if found is None:
            raise AuthenticationFailed(_("This API key is unknown or was revoked."))
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers by subclassing
    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = "API key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-…"}


def actor_of(request: HttpRequest | Request) -> Actor:
    """The Actor of a request whose user is logged in."""
    key = getattr(request, "auth", None)
    return Actor(user_id=request.user.pk, project_id=key.project_id if isinstance(key, ApiKey) else None)
