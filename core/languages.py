"""The reader's language where Django does not look: WebSockets, answers given before Django, numbers in Python."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Decimal

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import get_language_from_request, override


def readers(headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[None]:
    """Within it strings are told in the language that a request's headers ask for, by the rule for pages."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = dict(headers).get(b"accept-language", b"").decode("latin-1")
    return override(get_language_from_request(request))


def localized(value: int | str) -> str:
    """As the reader writes it: `1234` → `1,234`, in German `1.234`. What is no whole number comes with its places, as
    text: `"0.50"` → `0,50`."""
    return number_format(Decimal(value), force_grouping=True)


class ReadersLanguage:
    """ASGI: whatever a WebSocket is told, also by the tasks that it starts, is in its reader's language."""

    def __init__(self, application: ASGI3Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "websocket"
        with readers(scope["headers"]):
            await self.application(scope, receive, send)
