"""Redis, for both kinds of code: one server, one key scheme, two clients."""

from __future__ import annotations

import asyncio
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
TOO_SLOW = 3  # calls in a row over the budget, after which Redis is left alone for a while
PAUSE = 5.0  # seconds
# Calls at the same time in one loop, those among them that wait at the server for something to read. The library's
# own 100 made 100 of 200 different questions at once do without Redis.
MAX_CONNECTIONS = 500
_slow = 0
_away_until = 0.0
RedisError = redis.RedisError


def _connect(max_connections: int = 100) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        max_connections=max_connections,
        socket_connect_timeout=settings.REDIS_TIMEOUT,
        socket_timeout=settings.REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 1),  # for a connection that Redis has closed; its own default waits 1.2 s in all
    )


# The asynchronous client of the running event loop: `async_redis().get(…)`.
async_redis = PerLoop(_connect, lambda client: client.aclose())

# The one for reads that wait at the server (BLOCK, for less than REDIS_TIMEOUT). Each holds a connection
# meanwhile: in a pool of their own they keep nobody else from asking.
waiting_redis = PerLoop(lambda: _connect(1000), lambda client: client.aclose())


def sync_redis() -> redis.Redis:
    """The connection that django-redis keeps for synchronous code."""
    connection: redis.Redis = get_redis_connection("default")
    return connection


class RedisAway(Exception):
    """Redis failed, or took longer than its budget: go on without it."""


async def within_budget(call: Awaitable[T], what: str, *, seconds: float | None = None) -> T:
    """Await a Redis call, for `settings.REDIS_BUDGET` seconds at most. Raises RedisAway, after a line in the log.

    What Redis holds may be lost, so losing Redis must cost time and never an answer. One that is slow thrice in
    a row is not asked at all for a while: a turn asks it five times.
    """
    global _slow, _away_until
    cancelled_before = _times_cancelled()
    if time.monotonic() < _away_until:
        if isinstance(call, Coroutine):
            call.close()
        raise RedisAway(what)
    try:
        async with asyncio.timeout(None) as limit:
            slices = _Slices(limit, settings.REDIS_BUDGET if seconds is None else seconds)
            try:
                result = await call
            finally:
                slices.stop()
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("redis: %s failed (%s); going on without it", what, type(error).__name__)
        if isinstance(error, TimeoutError | redis.TimeoutError):
            _slow += 1
        if _slow >= TOO_SLOW:
            _slow, _away_until = 0, time.monotonic() + PAUSE
        raise RedisAway(what) from error
    _slow = 0
    if _times_cancelled() > cancelled_before:  # asyncio.wait_for of Python 3.11, which the client uses, may lose it
        raise asyncio.CancelledError
    return result


def _times_cancelled() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0


class _Slices:
    """Counts a budget down in slices: a loop that is late itself, busy with a burst of questions, spends one of them
    and not all. (Of 90 generations begun at once, 13 took their own delay for Redis's.)"""

    NUMBER = 5

    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._loop, self._limit, self._left = asyncio.get_running_loop(), limit, self.NUMBER
        self._slice = seconds / self.NUMBER
        self._handle = self._loop.call_later(self._slice, self._tick)

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._handle = self._loop.call_later(self._slice, self._tick)
        else:
            self._limit.reschedule(self._loop.time())

    def stop(self) -> None:
        self._handle.cancel()


async def or_default(call: Awaitable[T], default: D, what: str, *, seconds: float | None = None) -> T | D:
    """The same, with `default` for a Redis that is away."""
    try:
        return await within_budget(call, what, seconds=seconds)
    except RedisAway:
        return default
