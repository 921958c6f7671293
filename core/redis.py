"""Redis, for both kinds of code: one server, one key scheme, two clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Coroutine
from typing import TypeVar

import redis
import redis.asyncio
from django.conf import settings
from django_redis import get_redis_connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.loops import PerLoop

T = TypeVar("T")
D = TypeVar("D")
log = logging.getLogger(__name__)

PREFIX = "polyai:"
PAUSE = 5.0  # seconds for which a Redis that did not answer in time is not asked again: a turn asks five times
_away_until = 0.0
RedisError = redis.RedisError


def _connect() -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=settings.REDIS_TIMEOUT,
        socket_timeout=settings.REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 1),  # for a connection that Redis has closed; its own default waits 1.2 s in all
    )


# The asynchronous client of the running event loop: `async_redis().get(…)`.
async_redis = PerLoop(_connect, lambda client: client.aclose())


def sync_redis() -> redis.Redis:
    """The connection that django-redis keeps for synchronous code."""
    connection: redis.Redis = get_redis_connection("default")
    return connection


async def or_default(call: Awaitable[T], default: D, what: str) -> T | D:
    """Await a Redis call; when Redis fails, log it once and go on with `default`.

    What Redis holds may be lost, so losing Redis must cost time and never an answer.
    """
    global _away_until
    if time.monotonic() < _away_until:
        if isinstance(call, Coroutine):
            call.close()
        return default
    try:
        return await call
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("redis: %s failed (%s); going on without it", what, type(error).__name__)
        if isinstance(error, TimeoutError | redis.TimeoutError):
            _away_until = time.monotonic() + PAUSE
        return default
