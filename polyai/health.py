"""/health/live: the process answers. /health/ready: each part by name, as ok, degraded or down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

import httpx2
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import ResponseError

from caching import semantic
from core.database import in_db
from core.errors import StorageUnavailable, StoreUnavailable
from core.redis import PREFIX, RedisError, async_redis
from knowledge.spaces import find_serving_embedder
from polyai.celery import sign_of_life
from providers import outages
from providers.registry import get_chat_model, get_embedder
from providers.types import LOCAL

TIMEOUT = 2.0  # seconds for each part
_probes = ThreadPoolExecutor(max_workers=1)  # a bucket's client belongs to its thread, and takes a second to make


async def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """200 while questions can be answered, perhaps without some part (`degraded`); 503 without PostgreSQL."""
    names = ["database", "redis", "semantic_cache", "embeddings", "worker", "beat", "model", "storage"]
    checks = [
        _database(),
        _redis(),
        _semantic_cache(),
        _embeddings(),
        _alive("worker"),
        _alive("beat"),
        _model(),
        _storage(),
    ]
    parts = dict(zip(names, await asyncio.gather(*map(_bounded, checks)), strict=True))
    if parts["database"] != "ok":
        status = "down"
    else:
        status = "ok" if all(part == "ok" for part in parts.values()) else "degraded"
    return JsonResponse({"status": status, "parts": parts}, status=503 if status == "down" else 200)


async def _bounded(check: Awaitable[str]) -> str:
    try:
        return await asyncio.wait_for(check, TIMEOUT)
    except (TimeoutError, OSError, RedisError, StoreUnavailable, StorageUnavailable, DatabaseError, httpx2.HTTPError):
        return "down"


async def _database() -> str:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    await in_db(ask)()
    return "ok"


async def _redis() -> str:
    """Degraded while it can be read but not written: full, or a replica."""
    try:
        await async_redis().set(f"{PREFIX}health", 1, ex=60)
    except ResponseError:
        await async_redis().ping()
        return "degraded"
    return "ok"


async def _semantic_cache() -> str:
    """Without an index it still answers, by a search through all of a scope; beat has it made."""
    return "ok" if await in_db(semantic.is_indexed)() else "degraded"


async def _embeddings() -> str:
    """Our own server by its health page; another's by whether something answers at its address. Degraded while the
    one that answers questions is not the one that the environment names: its space is not complete yet."""
    embedder = await find_serving_embedder()
    local = embedder.provider == LOCAL
    transport = httpx2.AsyncHTTPTransport(uds=str(settings.EMBEDDING_SOCKET) if local else None)
    address = "http://embeddings/health" if local else embedder.provider
    async with httpx2.AsyncClient(transport=transport) as client:
        response = await client.get(address)
    if local and response.status_code != 200:
        return "down"
    return "ok" if embedder.identity == get_embedder().identity else "degraded"


async def _storage() -> str:
    """Whether the storage of originals answers at all; that a probe is not in it is no matter."""
    await asyncio.get_running_loop().run_in_executor(_probes, default_storage.exists, "probe")
    return "ok"


async def _alive(part: str) -> str:
    return "ok" if await async_redis().exists(sign_of_life(part)) else "down"


async def _model() -> str:
    """The built-in extractive model is always there."""
    if get_chat_model().is_extractive:
        return "ok"
    return await outages.probe()
