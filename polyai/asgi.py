"""Where requests come in: HTTP to Django, WebSockets to the consumers."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyai.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # before anything that needs the apps

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings

from polyai.urls import websocket_urlpatterns

origins = [f"//{host}" for host in settings.ALLOWED_HOSTS]  # any scheme and port of these hosts
websocket = OriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)), origins)
application = ProtocolTypeRouter({"http": http, "websocket": websocket})
