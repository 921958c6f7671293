"""Whether the language model's endpoint answers, as far as this server knows: by what became of its last question.

    polyai:outage:<address>   when the endpoint was last found silent, in seconds since 1970; forgotten after REMEMBERED

An endpoint that is not known to be silent is left alone. One that is, is looked at again when somebody wants to know,
every LOOK_EVERY seconds at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from django.conf import settings

from core.errors import ProviderTimeout, ProviderUnreachable
from core.redis import PREFIX, RedisError, async_redis, or_default, sync_redis
from providers.types import ChatModel

log = logging.getLogger(__name__)
REMEMBERED = 300  # seconds
LOOK_EVERY = 25.0  # seconds
TIMEOUT = 2.0  # seconds for a look


@asynccontextmanager
async def noted(model: ChatModel) -> AsyncGenerator[None, None]:
    """Around a question to a model: keep in mind that it was silent, or that it was not."""
    try:
        yield
    except (ProviderUnreachable, ProviderTimeout):
        await _keep()
        raise
    if not model.is_extractive:
        await _forget()


def is_known() -> bool:
    """Whether the model was silent when it was last asked or looked at; False where nobody knows. One read of Redis."""
    try:
        return settings.CHAT_CONFIGURED and bool(sync_redis().exists(_key()))
    except (RedisError, OSError) as error:
        log.warning("redis: nobody knows whether the model answers (%s)", type(error).__name__)
        return False


async def lasts() -> bool:
    """The same, after another look where the last one is some time ago."""
    found = await or_default(async_redis().get(_key()), None, "looking for an outage")
    if found is None or time.time() < float(found) + LOOK_EVERY:
        return found is not None
    await _keep()  # whoever comes now need not look too
    if await probe() == "down":
        return True
    await _forget()
    return False


async def probe() -> str:
    """The endpoint by whether it answers at all, as ok, degraded (it wants another key) or down; asking it something
    would cost money."""
    address = (settings.OPENAI_BASE_URL or "https://api.openai.com/v1").rstrip("/") + "/models"
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT) as client:
            response = await client.get(address, headers={"Authorization": f"Bearer {settings.OPENAI_API_KEY}"})
    except httpx2.HTTPError:
        return "down"
    return "down" if response.status_code >= 500 else "degraded" if response.status_code in (401, 403) else "ok"


def _key() -> str:
    return f"{PREFIX}outage:{settings.OPENAI_BASE_URL}"


async def _keep() -> None:
    await or_default(async_redis().set(_key(), time.time(), ex=REMEMBERED), None, "noting that the model is silent")


async def _forget() -> None:
    await or_default(async_redis().delete(_key()), None, "noting that the model answers")
