"""The other side of the latency benchmark: Django with one asynchronous view that does one Redis GET."""

from __future__ import annotations

import os

import django
import redis.asyncio
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="bench", MIDDLEWARE=[])
django.setup()
client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])


async def view(request: HttpRequest) -> HttpResponse:
    await client.get("bench")
    return HttpResponse(b"ok")


urlpatterns = [path("", view)]
application = get_asgi_application()
