"""Our errors as pages, and what browsers are told that a page may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Gone, NotAllowed, NotFound, PolyAIError, StoreUnavailable
from polyai import policies

TITLES: dict[type[PolyAIError], Promise] = {
    NotFound: gettext_lazy("Not found"),
    NotAllowed: gettext_lazy("Not allowed"),
    Gone: gettext_lazy("This link has ended"),
    StoreUnavailable: gettext_lazy("Not available at the moment"),
}


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from before a log-in or log-out in another tab."""
    message = _("You have logged in or out since this form was opened. Go back, reload the page and try again.")
    return render(request, "error.html", {"title": _("This form is too old"), "message": message}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view: most often a server that is called by a name that it was not told."""
    context = {
        "title": _("That did not work"),
        "message": _("The request could not be read. Go back, reload the page and try again."),
    }
    if isinstance(exception, DisallowedHost):
        told = _(
            "PolyAI answers at %(address)s. Whoever runs it can give it another address: POLYAI_PUBLIC_URL in .env, as "
            "people type it."
        )
        context = {
            "title": _("This address is not known here"),
            "message": told % {"address": settings.PUBLIC_URL},
            "home": settings.PUBLIC_URL,
        }
    return render(request, "error.html", context, status=400)


class ErrorPages:
    """Shows a PolyAIError that a page raised, with its own status; PostgreSQL gone is one of them."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OperationalError | InterfaceError):
            error = StoreUnavailable(_("The database does not answer. Try again in a moment."))
        if not isinstance(error, PolyAIError):
            return None
        context = {"title": TITLES.get(type(error), gettext_lazy("That did not work")), "message": error.message}
        return render(request, "error.html", context, status=error.status)


class Policies(CSPMiddleware):
    """Content-Security-Policy and its kin on every response; a view's own header stays as it is."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The pages that others made need more than ours."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/"):
            parts.config = policies.ADMIN
        elif request.path_info.startswith("/api/docs/"):
            parts.config = policies.API_PAGE
        return parts

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        for name, value in policies.HEADERS.items():
            response.headers.setdefault(name, value)
        return super().process_response(request, response)
