"""chat/shortcut.py: exact hits without the framework, and never one that the framework would not have given."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import ApiKey, Membership, Project
from accounts.services import create_api_key
from caching import eviction, gate
from caching.models import CacheEntry
from chat.models import Message
from chat.shortcut import Shortcut
from core.database import in_db
from core.redis import sync_redis
from knowledge import services
from knowledge.models import Document
from tests.conftest import HANDBOOK, Cast, add_document
from tests.upstream import Upstream

QUESTION = "How many days do customers have to return goods?"


@pytest.fixture
def project(cast: Cast) -> Project:
    add_document(cast.project)
    return cast.project


@pytest.fixture
def key(cast: Cast, project: Project) -> str:
    return create_api_key(user=cast.bob, project=project)


class Counted:
    """The product's own application, and how many requests the shortcut left to Django."""

    def __init__(self) -> None:
        from polyai.asgi import http

        self.passed_on = 0
        self._http = http

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        self.passed_on += 1
        await self._http(scope, receive, send)


@pytest.fixture
def django() -> Counted:
    return Counted()


@pytest.fixture
async def client(django: Counted, key: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Shortcut(django))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client


async def ask(client: httpx2.AsyncClient, question: str = QUESTION, **headers: str) -> httpx2.Response:
    body = {"project": "support", "question": question, "store": False}
    return await client.post("/api/ask/", json=body, headers=headers)


async def warm(client: httpx2.AsyncClient) -> None:
    """Ask until the answer is cached and the key's pass is written."""
    for _ in range(2):
        assert (await ask(client)).status_code == 200


async def test_the_same_request_again_is_answered_without_django_and_in_the_same_form(
    client: httpx2.AsyncClient, django: Counted, upstream: Upstream
) -> None:
    first = await ask(client)
    await ask(client)
    django.passed_on = 0
    again = await ask(client)
    assert django.passed_on == 0
    assert (first.headers["X-PolyAI-Cache"], again.headers["X-PolyAI-Cache"]) == ("miss", "hit-exact")
    assert again.headers["Age"].isdecimal()
    assert again.headers["Content-Type"] == "application/json"
    assert set(again.json()) == set(first.json())
    assert again.json()["answer"] == first.json()["answer"]
    assert again.json()["sources"] == first.json()["sources"]
    assert again.json()["cache"]["question"] == QUESTION
    assert len(upstream.history) == 1


async def test_a_limit_of_the_model_says_when_it_frees(
    client: httpx2.AsyncClient, django: Counted, upstream: Upstream
) -> None:
    await warm(client)
    django.passed_on = 0
    upstream.enqueue(status=429, retry_after=30)
    assert (await ask(client, "Which parcels take five working days?")).headers["Retry-After"] == "30"
    assert django.passed_on == 0


async def test_nothing_of_a_conversation_is_stored(
    client: httpx2.AsyncClient, project: Project, upstream: Upstream
) -> None:
    await warm(client)
    assert (await ask(client)).json()["conversation"] is None
    assert not await in_db(Message.objects.exists)()


async def test_it_asks_postgresql_nothing(
    client: httpx2.AsyncClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await warm(client)

    def refuse(*_: object) -> None:
        raise AssertionError("the database was asked")

    with monkeypatch.context() as patch:
        patch.setattr(type(connection.ops.connection), "cursor", refuse)
        assert (await ask(client)).headers["X-PolyAI-Cache"] == "hit-exact"


async def test_it_is_counted_like_any_other(client: httpx2.AsyncClient, project: Project, upstream: Upstream) -> None:
    await warm(client)
    sync_redis().delete("polyai:ledger:open")
    await ask(client)
    (row,) = (json.loads(value) for value in sync_redis().lrange("polyai:ledger:open", 0, -1))
    assert row["figures"]["hit-exact"] == 1
    assert row["lookup"]["question"] == QUESTION


@pytest.mark.parametrize(
    "headers", [{"Cache-Control": "no-cache"}, {"Cache-Control": "no-store"}, {"X-PolyAI-Cache-Threshold": "0.99"}]
)
async def test_wishes_about_the_cache_are_for_the_pipeline(
    client: httpx2.AsyncClient, django: Counted, upstream: Upstream, headers: dict[str, str]
) -> None:
    await warm(client)
    django.passed_on = 0
    assert (await ask(client, **headers)).status_code == 200
    assert django.passed_on == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"project": "support", "question": 7, "store": false}', 200),
        (b'{"project": "support", "question": "", "store": false}', 400),
        (b'{"project": "support", "question": "\\ud800", "store": false}', 400),
        (b'{"project": "secret", "question": "Who?", "store": false}', 404),
        (json.dumps({"project": "support", "question": "x" * 10_000_000, "store": False}).encode(), 413),
    ],
    ids=["empty", "cut", "no object", "a number", "no question", "half a surrogate", "not its project", "10 MB"],
)
async def test_what_is_wrong_with_a_request_is_said_by_django(
    client: httpx2.AsyncClient, upstream: Upstream, body: bytes, status: int
) -> None:
    await warm(client)
    response = await client.post("/api/ask/", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    assert status == 200 or set(response.json()["error"]) == {"code", "message"}


async def test_a_key_that_is_unknown_or_absent_gets_nothing(client: httpx2.AsyncClient, upstream: Upstream) -> None:
    await warm(client)
    assert (await ask(client, Authorization="Bearer sk-unknown")).status_code == 401
    assert (await ask(client, Authorization="")).status_code in (401, 403)


@pytest.mark.parametrize("change", ["key revoked", "member removed", "user switched off", "project deleted"])
async def test_who_loses_the_right_loses_it_at_once(
    cast: Cast, client: httpx2.AsyncClient, project: Project, upstream: Upstream, change: str
) -> None:
    await warm(client)

    def lose() -> None:
        match change:
            case "key revoked":
                held = ApiKey.objects.get()
                held.revoked_at = held.created_at
                held.save()
            case "member removed":
                Membership.objects.get(user=cast.bob).delete()
            case "user switched off":
                cast.bob.is_active = False
                cast.bob.save()
            case _:
                project.delete()

    await in_db(lose)()
    assert (await ask(client)).status_code in (401, 404)


@pytest.mark.parametrize("change", ["edit", "delete", "cache off", "flush"])
async def test_what_is_not_true_any_more_is_not_given_any_more(
    client: httpx2.AsyncClient, project: Project, upstream: Upstream, change: str
) -> None:

    await warm(client)

    def make() -> None:
        match change:
            case "edit":
                add_document(project, HANDBOOK.replace("30 days", "14 days"))
            case "delete":
                services.delete(Document.objects.get())
            case "cache off":
                fresh = Project.objects.get(id=project.id)
                fresh.uses_exact_cache = fresh.uses_semantic_cache = False
                fresh.cache_ttl = 0
                fresh.save()
            case _:
                eviction.flush(project)

    await in_db(make)()
    assert (await ask(client)).headers["X-PolyAI-Cache"] == "miss"


async def test_a_change_while_a_pass_is_written_leaves_a_pass_that_is_worth_nothing(
    client: httpx2.AsyncClient, project: Project, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    from caching import gate

    await warm(client)
    sync_redis().delete(*sync_redis().scan_iter("polyai:gate:pass:*"))
    read = gate.find_pass

    def read_and_then_change(digest: str) -> gate.Pass | None:
        found = read(digest)
        services.delete(Document.objects.get()) if Document.objects.exists() else None
        return found

    monkeypatch.setattr(gate, "find_pass", read_and_then_change)
    await ask(client)
    assert (await ask(client)).headers["X-PolyAI-Cache"] == "miss"


async def test_a_pass_ends_by_itself(client: httpx2.AsyncClient, upstream: Upstream) -> None:
    await warm(client)
    (name,) = sync_redis().scan_iter("polyai:gate:pass:*")
    assert 0 < int(sync_redis().pttl(name)) <= 2000


async def test_without_redis_django_answers(
    client: httpx2.AsyncClient, django: Counted, upstream: Upstream, settings: Settings
) -> None:
    await warm(client)
    from core.redis import async_redis

    await async_redis().aclose()
    settings.REDIS_URL = "unix:///nowhere.sock?db=0"
    async_redis._kept.clear()
    django.passed_on = 0
    assert (await ask(client)).status_code == 200
    assert django.passed_on == 1


async def test_a_value_that_cannot_be_read_is_left_to_the_pipeline(
    client: httpx2.AsyncClient, upstream: Upstream
) -> None:
    await warm(client)
    (name,) = sync_redis().scan_iter("polyai:exact:*")
    sync_redis().set(name, b"2 0 0 z\nnothing")
    assert (await ask(client)).headers["X-PolyAI-Cache"] == "hit-exact"
    assert await in_db(CacheEntry.objects.count)() == 1


async def test_a_pass_that_cannot_be_read_costs_a_query_and_no_answer(
    client: httpx2.AsyncClient, project: Project, upstream: Upstream
) -> None:
    await warm(client)
    (name,) = sync_redis().scan_iter("polyai:gate:pass:*")
    seal = sync_redis().get(gate.seal_name(project.id))
    assert isinstance(seal, bytes)
    sync_redis().set(name, seal + b"\n{damaged")
    again = await ask(client)
    assert (again.status_code, again.headers["X-PolyAI-Cache"]) == (200, "hit-exact")


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 400), ({"Content-Type": "text/plain"}, 415)]
)
async def test_what_the_ordinary_door_refuses_this_one_refuses(
    client: httpx2.AsyncClient, django: Counted, upstream: Upstream, headers: dict[str, str], status: int
) -> None:
    await warm(client)
    django.passed_on = 0
    assert (await ask(client, **headers)).status_code == status
    assert django.passed_on == 1


async def test_its_answers_carry_the_headers_of_all_others(client: httpx2.AsyncClient, upstream: Upstream) -> None:
    first = await client.post("/api/ask/", json={"project": "support", "question": QUESTION})
    await warm(client)
    again = await ask(client)
    for name in ("X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options"):
        assert again.headers[name] == first.headers[name]
