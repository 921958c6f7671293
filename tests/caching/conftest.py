"""An embedder that can be watched, and a Redis that is gone."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from pytest_django import Settings

from core.redis import sync_redis
from providers.registry import get_embedder
from tests.caching.embedder import MODEL, EmbedderServer


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
