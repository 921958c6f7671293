"""chat/lookup.py: what a cached answer may stand for, and under which name it is copied."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project
from caching import approval, eviction
from caching.models import CacheEntry
from chat.types import AnswerCompleted, AnswerFailed, Event
from core.database import in_db
from core.redis import sync_redis
from knowledge import services
from knowledge.models import Document
from providers.registry import get_chat_model
from tests.conftest import HANDBOOK, Cast, add_document, complete, eventually, make_question, tell
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture
def project(cast: Cast) -> Project:
    add_document(cast.project)
    return cast.project


async def ask(cast: Cast) -> AnswerCompleted:
    return await complete(make_question(cast, REFUND))


async def status(cast: Cast) -> str:
    return (await ask(cast)).cache.status


async def approved(cast: Cast) -> CacheEntry:
    """The answer to the question, approved."""
    await ask(cast)
    row = await in_db(CacheEntry.objects.get)()
    await in_db(approval.approve)(row, cast.alice)
    return row


def switch_model(settings: Settings) -> None:
    settings.CHAT_MODEL = "another-model"
    get_chat_model.cache_clear()


async def test_an_approved_answer_that_served_another_model_is_evicted_from_there_too(
    cast: Cast, project: Project, upstream: Upstream, settings: Settings
) -> None:
    row = await approved(cast)
    switch_model(settings)
    for _ in range(2):
        hit = await ask(cast)
        assert hit.cache.is_approved
        assert hit.cache.entry_id == str(row.id)  # the one that "wrong answer" then reaches
    await in_db(eviction.evict)(row)
    assert await status(cast) == "miss"


async def test_an_approved_answer_is_found_by_its_question_after_the_embedder_has_changed(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await approved(cast)
    await in_db(CacheEntry.objects.update)(embedding_identity="an older one")
    sync_redis().flushdb()
    assert (await ask(cast)).cache.is_approved


@pytest.mark.parametrize("uses_semantic", [True, False])
async def test_an_exact_layer_that_is_switched_off_is_off_in_the_database_too(
    cast: Cast, project: Project, upstream: Upstream, uses_semantic: bool
) -> None:
    await ask(cast)
    await in_db(Project.objects.update)(uses_exact_cache=False, uses_semantic_cache=uses_semantic)
    assert await status(cast) == ("hit-semantic" if uses_semantic else "miss")


async def test_evidence_that_has_gone_takes_the_copy_with_the_row(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    upstream.default = Reply(text="Nothing to cite.")
    assert await status(cast) == "miss"
    assert not await in_db(CacheEntry.objects.exists)()
    assert not list(sync_redis().scan_iter("polyai:exact:*"))


@pytest.mark.parametrize("change", ["edit", "delete", "nothing"])
async def test_documents_that_change_while_a_dead_model_is_waited_for_are_not_answered_from(
    cast: Cast, project: Project, upstream: Upstream, change: str
) -> None:
    await ask(cast)
    await in_db(CacheEntry.objects.update)(expires_at=timezone.now())
    sync_redis().flushdb()
    upstream.history.clear()
    upstream.default = Reply(stall_after=0)

    async def last() -> Event:
        return (await tell(make_question(cast, REFUND)))[-1]

    asking = asyncio.create_task(last())
    await eventually(lambda: bool(upstream.history))
    if change == "edit":
        await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    if change == "delete":
        await in_db(services.delete)(await in_db(Document.objects.get)())
    end = await asking
    assert isinstance(end, AnswerCompleted)
    assert (end.cache.status == "stale") == (change == "nothing")
    if change != "nothing":  # what the documents say now, word by word
        assert end.fault
        assert "30 days" not in end.text


async def test_a_stored_answer_that_cannot_be_read_hides_no_error_of_the_model(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await in_db(CacheEntry.objects.update)(expires_at=timezone.now(), sources=["damaged"])
    sync_redis().flushdb()
    upstream.default = Reply(status=500)
    last = (await tell(make_question(cast, REFUND, origin="api")))[-1]
    assert isinstance(last, AnswerFailed)
    assert "Something went wrong" not in last.message
