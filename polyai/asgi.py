"""Where requests come in: HTTP to Django, WebSockets to the consumers."""

from __future__ import annotations

import os
from threading import Thread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyai.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # before anything that needs the apps

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from chat.shortcut import Shortcut
from core.languages import ReadersLanguage
from polyai.origins import OwnOrigin
from polyai.urls import websocket_urlpatterns
from polyai.warming import warm_up

websocket = AllowedHostsOriginValidator(
    OwnOrigin(ReadersLanguage(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))))
)
application = ProtocolTypeRouter({"http": Shortcut(http), "websocket": websocket})
Thread(target=warm_up, name="warm-up", daemon=True).start()
