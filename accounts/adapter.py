"""Where allauth meets our rules for who may sign up."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.invitations import approve_waiting, find_invitation, sign_up
from accounts.models import User
from accounts.pages import invitation_token


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP != "closed" or not User.objects.exists()

    def save_user(
        self, request: HttpRequest, user: User, form: Any, commit: bool = True
    ) -> User:  # Any: allauth's form
        super().save_user(request, user, form, commit=False)
        return sign_up(user, invitation_token(request))

    def pre_login(
        self, request: HttpRequest, user: User, **said: Any
    ) -> HttpResponse | None:  # Any: what allauth knows of a log-in
        """The password was right: who waits for approval and brings an administrator's link waits no more."""
        if not user.is_active:
            approve_waiting(user, invitation_token(request))
        response: HttpResponse | None = super().pre_login(request, user, **said)
        return response

    def clean_email(self, email: str) -> str:
        """An invitation for an address is for that address: whoever signs up with another would not be let in."""
        email = super().clean_email(email)
        invitation = find_invitation(invitation_token(self.request))
        if invitation is not None and invitation.email not in ("", email.lower()):
            raise ValidationError(_("Your invitation is for %(email)s.") % {"email": invitation.email})
        return email
