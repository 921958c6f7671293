from __future__ import annotations

import asyncio

import pytest
from django.test import AsyncClient
from pytest_django.fixtures import Settings

from tests.upstream import Upstream


async def test_live_asks_nobody() -> None:
    assert (await AsyncClient().get("/health/live")).json() == {"status": "ok"}


async def test_each_part_is_named(
    transactional_db: None,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("polyai.health.TIMEOUT", 30.0)  # a machine that is busy is no failure
    answer = (await AsyncClient().get("/health/ready")).json()
    assert answer["parts"] == {
        "database": "ok",
        "redis": "ok",
        "semantic_cache": "ok",
        "embeddings": "ok",
        "worker": "down",  # no worker runs beside the tests
        "beat": "down",
        "model": "ok",
        "storage": "ok",
    }
    assert answer["status"] == "degraded"


async def test_without_redis_it_is_degraded_and_still_serves(transactional_db: None, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    response = await AsyncClient().get("/health/ready")
    assert response.status_code == 200
    assert response.json()["parts"]["redis"] == "down"
    assert response.json()["parts"]["database"] == "ok"


async def test_a_model_that_cannot_be_reached_is_down(
    transactional_db: None, upstream: Upstream, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    response = await AsyncClient().get("/health/ready")
    assert response.json()["parts"]["model"] == "down"


async def test_a_part_that_hangs_does_not_hang_the_answer(transactional_db: None, settings: Settings) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    response = await AsyncClient().get("/health/ready")
    assert response.json()["parts"]["redis"] == "down"
    server.close()
    await server.wait_closed()
