"""Our errors as pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from core.errors import Gone, NotAllowed, NotFound, PolyAIError, StoreUnavailable

TITLES: dict[type[PolyAIError], str] = {
    NotFound: "Not found",
    NotAllowed: "Not allowed",
    Gone: "This link has ended",
    StoreUnavailable: "Not available at the moment",
}


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from before a log-in or log-out in another tab."""
    message = "You have logged in or out since this form was opened. Go back, reload the page and try again."
    return render(request, "error.html", {"title": "This form is too old", "message": message}, status=403)


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
            error = StoreUnavailable("The database does not answer. Try again in a moment.")
        if not isinstance(error, PolyAIError):
            return None
        context = {"title": TITLES.get(type(error), "That did not work"), "message": error.message}
        return render(request, "error.html", context, status=error.status)
