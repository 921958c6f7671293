"""Which pages may open a WebSocket: those of the server's own origin, by Django's rule for forms (CSRF).

A browser sends the session's cookie to every port of a host, whichever page asks: the host alone tells too little.
"""

from __future__ import annotations

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, WebSocketScope
from channels.security.websocket import WebsocketDenier
from django.conf import settings


class OwnOrigin:
    def __init__(self, application: ASGI3Application) -> None:
        self.application = application

    async def __call__(self, scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        origin = headers.get(b"origin", "")
        is_own = origin in settings.CSRF_TRUSTED_ORIGINS or origin.partition("://")[2] == headers.get(b"host")
        await (self.application if is_own else WebsocketDenier())(scope, receive, send)
