"""The cast and the stage: alice owns, bob shares the project, mallory has no access."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import uuid4

import hypothesis
import pytest
from django.core.files.base import ContentFile
from django.test import Client, TransactionTestCase
from pytest_django.fixtures import Settings
from xdist.scheduler import LoadFileScheduling

from accounts.models import Membership, Project, Role, User
from accounts.services import create_project
from accounts.types import Actor
from chat.pipeline import answer
from chat.types import AnswerCompleted, Event, Question
from core.redis import sync_redis
from knowledge import ingestion, services
from knowledge.models import Document
from providers.registry import get_chat_model, get_reranker
from tests.emptying import empty_database
from tests.upstream import MODEL, Upstream

# A machine that is busy is no failure; and what continuous integration runs is the same each time.
hypothesis.settings.register_profile("steady", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("steady")

BROWSER = "tests/polyai/test_browser"  # the modules that share one running product
PASSWORD = "correct horse 9"
HANDBOOK = """# Refunds

Customers may return goods within 30 days of delivery. The refund is paid to the card that was used.

# Shipping

Parcels to Norway take five working days. Express shipping costs 12 euros and takes two days.
"""


TransactionTestCase._fixture_teardown = empty_database  # type: ignore[attr-defined]  # Django's own name for it


class Scheduling(LoadFileScheduling):
    """File by file, but what shares one running product goes to one worker, so that it is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)  # known with xdist alone
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    config.option.loadscopereorder = False  # as sorted below
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts the whole product comes first, so that in the end all workers have short files left."""
    items.sort(key=lambda item: (item.get_closest_marker("product") is None, not item.nodeid.startswith(BROWSER)))


@pytest.fixture(autouse=True)
def empty_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.redis._away_until", 0.0)
    monkeypatch.setattr("core.redis._slow", 0)
    monkeypatch.setattr("caching.embeddings._silent_until", {})
    monkeypatch.setattr("knowledge.spaces._known", None)
    sync_redis().flushdb()


@pytest.fixture(autouse=True)
def quick_settings(settings: Settings, tmp_path: object) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.REDIS_BUDGET = 1.0  # two test runs on two cores may hold a loop up for longer than 50 ms
    # Each test's client would look through all static files first (40 ms). Browser tests read them from the product.
    settings.SERVESTATIC_USE_FINDERS = settings.SERVESTATIC_USE_STATIC_ROOT = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def upstream_server() -> Generator[Upstream, None, None]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def upstream(upstream_server: Upstream, settings: Settings) -> Generator[Upstream, None, None]:
    """A configured language model. Without this fixture none is, and answers are extractive."""
    upstream_server.reset()
    for name, value in {
        "OPENAI_BASE_URL": upstream_server.base_url,
        "OPENAI_API_KEY": "sk-test",
        "CHAT_MODEL": MODEL,
        "CHAT_CONFIGURED": True,
        "CHAT_TIMEOUT": 2.0,
    }.items():
        setattr(settings, name, value)
    get_chat_model.cache_clear()
    yield upstream_server
    get_chat_model.cache_clear()


@pytest.fixture(autouse=True)
def fresh_providers() -> Generator[None, None, None]:
    yield
    get_chat_model.cache_clear()
    get_reranker.cache_clear()


@dataclass(frozen=True)
class Cast:
    alice: User
    bob: User
    mallory: User
    project: Project
    foreign: Project

    def actor(self, user: User) -> Actor:
        return Actor(user_id=user.id)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    alice, bob, mallory = (
        User.objects.create_user(f"{name}@example.org", PASSWORD) for name in ("alice", "bob", "mallory")
    )
    project = create_project(name="Support", slug="support", owner=alice)
    Membership.objects.create(project=project, user=bob, role=Role.VIEWER)
    foreign = create_project(name="Secret", slug="secret", owner=mallory)
    return Cast(alice=alice, bob=bob, mallory=mallory, project=project, foreign=foreign)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def add_document(project: Project, text: str | bytes = HANDBOOK, name: str = "handbook.md") -> Document:
    """Upload and ingest, as a worker would, by the same function."""
    content = text.encode() if isinstance(text, str) else text
    document = services.upload(project=project, name=name, file=ContentFile(content, name=name)).document
    ingestion.ingest(document.id)
    document.refresh_from_db()
    return document


def make_question(cast: Cast, text: str, *, user: User | None = None, **fields: object) -> Question:
    fields = {"project": cast.project.slug, "conversation_id": uuid4(), **fields}
    return Question(actor=Actor(user_id=(user or cast.alice).id), text=text, **fields)  # type: ignore[arg-type]  # a test's shorthand


async def tell(question: Question) -> list[Event]:
    """All events of one answer."""
    async with aclosing(answer(question)) as events:
        return [event async for event in events]


async def complete(question: Question) -> AnswerCompleted:
    last = (await tell(question))[-1]
    assert isinstance(last, AnswerCompleted), last
    return last


async def eventually(check: object, seconds: float = 10.0) -> None:
    """Wait until `check()` is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not check():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
