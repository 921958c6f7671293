"""An embedder that can be watched, and a Redis that is gone."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from pytest_django.fixtures import SettingsWrapper

from providers.registry import get_embedder
from tests.caching.embedder import MODEL, EmbedderServer


@pytest.fixture(scope="session")
def embedder_server() -> Generator[EmbedderServer, None, None]:
    server = EmbedderServer()
    yield server
    server.close()


@pytest.fixture
def embedder(embedder_server: EmbedderServer, settings: SettingsWrapper) -> Generator[EmbedderServer, None, None]:
    """A configured embedder in the place of the bundled one: it tells what it was asked, and fails when told to."""
    embedder_server.reset()
    settings.EMBEDDING_BASE_URL = embedder_server.base_url
    settings.EMBEDDING_MODEL = MODEL
    settings.EMBEDDING_API_KEY = "sk-test"
    settings.EMBEDDINGS_ARE_LOCAL = False
    get_embedder.cache_clear()
    yield embedder_server
    get_embedder.cache_clear()
    if embedder_server.problem is not None:
        raise embedder_server.problem


@pytest.fixture
def dead_redis(settings: SettingsWrapper, tmp_path: Path) -> str:
    """No Redis answers, for either kind of code: both clients are pointed at a socket that is not there."""
    address = f"unix://{tmp_path}/nobody.sock?db=0"
    settings.REDIS_URL = address
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": address}}
    return address
