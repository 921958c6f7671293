"""An embedder that can be watched, other processes that ride flights, and a Redis that is gone or may go."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from pathlib import Path

import pytest
import redis.asyncio
from pytest_django import Settings

from caching import lease
from core.redis import sync_redis
from polyai.stack.parts import REDIS_SERVER
from providers.registry import get_embedder
from tests.caching.embedder import MODEL, EmbedderServer
from tests.caching.flights import Passenger
from tests.conftest import eventually


@pytest.fixture(scope="session")
def embedder_server() -> Generator[EmbedderServer, None, None]:
    server = EmbedderServer()
    yield server
    server.close()


def forget_embedder() -> None:
    """The next use reads the settings again. The one before is closed, where it has connections."""
    client = vars(get_embedder()).pop("_sync_client", None)
    if client is not None:
        client.close()
    get_embedder.cache_clear()


@pytest.fixture
def embedder(embedder_server: EmbedderServer, settings: Settings) -> Generator[EmbedderServer, None, None]:
    """A configured embedder in the place of the bundled one: it tells what it was asked, and fails when told to."""
    embedder_server.reset()
    forget_embedder()
    settings.EMBEDDING_BASE_URL = embedder_server.base_url
    settings.EMBEDDING_MODEL = MODEL
    settings.EMBEDDING_API_KEY = "sk-test"
    settings.EMBEDDINGS_ARE_LOCAL = False
    yield embedder_server
    forget_embedder()
    if embedder_server.problem is not None:
        raise embedder_server.problem


def stored(name: bytes | str) -> bytes:
    """The bytes under a name in Redis."""
    value = sync_redis().get(name)
    assert isinstance(value, bytes)
    return value


@pytest.fixture
def dead_redis(settings: Settings, tmp_path: Path) -> str:
    """No Redis answers, for any kind of code: every client is pointed at a socket that is not there."""
    address = f"unix://{tmp_path}/nobody.sock?db=0"
    settings.REDIS_URL = address
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": address}}
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": [address]}}}
    return address


@pytest.fixture
async def flights(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Around every test of flights: afterwards no task still runs, and no key in Redis stays for good.

    A busy machine is not what is tested: Redis has seconds to answer, unless the test says otherwise.
    """
    for budget in ("TAKE_BUDGET", "WRITE_BUDGET", "READ_BUDGET"):
        monkeypatch.setattr(lease, budget, 3.0)
    client = sync_redis()
    yield
    own = asyncio.current_task()
    await eventually(lambda: not [t for t in asyncio.all_tasks() if t is not own and not t.done()], seconds=5)
    assert [key for key in client.scan_iter("polyai:flight:*") if client.ttl(key) == -1] == []


@pytest.fixture
async def passengers() -> AsyncIterator[list[Passenger]]:
    """Whoever is on this list is gone after the test."""
    aboard: list[Passenger] = []
    yield aboard
    for passenger in aboard:
        await passenger.end()


@pytest.fixture
async def own_redis(settings: Settings, tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Redis that this test may stop, fill and kill."""
    address = f"unix://{tmp_path}/own.sock?db=0"
    options = ("--port", "0", "--unixsocket", f"{tmp_path}/own.sock", "--save", "", "--dir", str(tmp_path))
    server = await asyncio.create_subprocess_exec(
        str(REDIS_SERVER), *options, "--maxmemory-policy", "volatile-lru", stdout=asyncio.subprocess.DEVNULL
    )
    settings.REDIS_URL = address
    client = redis.asyncio.Redis.from_url(address)
    for _ in range(200):
        with suppress(redis.RedisError):
            await client.ping()
            break
        await asyncio.sleep(0.05)
    await client.aclose()
    yield server
    with suppress(ProcessLookupError):
        server.send_signal(signal.SIGCONT)
        server.kill()
    await server.wait()
