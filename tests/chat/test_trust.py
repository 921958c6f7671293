"""Why a hit may be trusted: every way in which documents, readers and rights change under a cached answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Membership, Project, User
from caching import approval
from caching.models import CacheEntry
from chat.types import AnswerCompleted, AnswerFailed
from core.database import in_db
from core.redis import sync_redis
from knowledge import services
from knowledge.models import Document
from knowledge.spaces import forget_serving
from tests.conftest import HANDBOOK, Cast, add_document, complete, eventually, make_question, tell
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"
AGAIN = "How many days do the customers have to return goods?"
OFFICE = "Our office is in Bergen, on the second floor above the bakery."


@pytest.fixture
def project(cast: Cast) -> Project:
    add_document(cast.project)
    return cast.project


def change(project: Project, **fields: object) -> None:
    Project.objects.filter(id=project.id).update(**fields)


async def ask(cast: Cast, text: str = REFUND, *, user: User | None = None, **fields: object) -> AnswerCompleted:
    return await complete(make_question(cast, text, user=user, **fields))


async def status(cast: Cast, text: str = REFUND, *, user: User | None = None, **fields: object) -> str:
    return (await ask(cast, text, user=user, **fields)).cache.status


# --- The evidence ---------------------------------------------------------------------------------


async def test_an_unrelated_upload_leaves_a_hit_a_hit(cast: Cast, project: Project, upstream: Upstream) -> None:
    first = await ask(cast)
    await in_db(add_document)(project, OFFICE, "office.md")
    assert await status(cast) == "hit-exact"
    assert await status(cast, AGAIN) == "hit-semantic"
    row = await in_db(CacheEntry.objects.get)()
    version = await in_db(lambda: Project.objects.get(id=project.id).corpus_version)()
    assert row.corpus_version == version  # seen again: the next hit need not search
    assert row.expires_at == row.created_at + timedelta(hours=1)  # and no older for it
    assert first.text == row.text


@pytest.mark.parametrize("text", [REFUND, AGAIN])
async def test_a_related_upload_is_a_miss(cast: Cast, project: Project, upstream: Upstream, text: str) -> None:
    await ask(cast)
    await in_db(add_document)(project, "Customers have 60 days to return goods that they bought in May.", "may.md")
    assert await status(cast, text) == "miss"


@pytest.mark.parametrize("text", [REFUND, AGAIN])
async def test_an_edit_of_a_cited_chunk_is_a_miss(cast: Cast, project: Project, upstream: Upstream, text: str) -> None:
    await ask(cast)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    assert await status(cast, text) == "miss"


async def test_an_edit_of_another_part_leaves_a_hit_whose_sources_still_open(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    before = await ask(cast)
    await in_db(add_document)(project, HANDBOOK.replace("12 euros", "15 euros"))
    after = await ask(cast)
    assert after.cache.status == "hit-exact"
    assert after.sources[0].chunk_id == before.sources[0].chunk_id  # unchanged chunks keep their rows
    assert after.sources[0].text == before.sources[0].text
    assert not any("12 euros" in source.text for source in after.sources)


async def test_a_delete_reaches_every_layer_at_once(cast: Cast, project: Project, upstream: Upstream) -> None:
    await ask(cast)
    document = await in_db(Document.objects.get)()
    await in_db(services.delete)(document)
    assert not await in_db(CacheEntry.objects.exists)()
    assert list(sync_redis().scan_iter("polyai:exact:*")) == []
    assert await status(cast, AGAIN) == "miss"


async def test_a_delete_while_redis_is_away_leaves_nothing_that_can_be_found(
    cast: Cast, project: Project, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(cast)
    document = await in_db(Document.objects.get)()

    def away(*_: object) -> None:
        raise ConnectionError("Redis is away")

    with monkeypatch.context() as patch:
        patch.setattr("caching.exact.forget", away)
        await in_db(services.delete)(document)
    assert list(sync_redis().scan_iter("polyai:exact:*"))  # it is still there, and yet:
    upstream.default = Reply(text="I do not know.")
    assert (await ask(cast)).text == "I do not know."


async def test_the_same_file_again_leaves_a_hit_a_hit(cast: Cast, project: Project, upstream: Upstream) -> None:
    await ask(cast)
    await in_db(add_document)(project, HANDBOOK)
    assert await status(cast) == "hit-exact"


async def test_a_file_deleted_and_uploaded_again_is_asked_anew(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await in_db(services.delete)(await in_db(Document.objects.get)())
    await in_db(add_document)(project, HANDBOOK)
    assert await status(cast) == "miss"


@pytest.mark.parametrize(
    ("upload", "expected"),
    [("Customers have 60 days to return goods from May.", "miss"), (OFFICE, "hit-exact")],
    ids=["related", "unrelated"],
)
async def test_what_was_uploaded_while_the_answer_was_written_decides_whether_it_is_admitted(
    cast: Cast, project: Project, upstream: Upstream, upload: str, expected: str
) -> None:
    upstream.enqueue("They have 30 days [1].", delay=0.15)
    asking = asyncio.create_task(ask(cast))
    await eventually(lambda: len(upstream.history) == 1)
    await in_db(add_document)(project, upload, "new.md")
    assert (await asking).cache.status == "miss"
    rows = await in_db(lambda: list(CacheEntry.objects.values_list("corpus_version", flat=True)))()
    version = await in_db(lambda: Project.objects.get(id=project.id).corpus_version)()
    assert rows == ([version] if expected == "hit-exact" else [])  # never under the old version
    assert await status(cast) == expected


# --- Who may read ---------------------------------------------------------------------------------


async def test_a_member_who_was_removed_gets_nothing_from_the_cache(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    assert await status(cast, user=cast.bob) == "hit-exact"
    await in_db(Membership.objects.filter(user=cast.bob).delete)()
    (event,) = await tell(make_question(cast, REFUND, user=cast.bob))
    assert isinstance(event, AnswerFailed)
    assert event.status == 404


async def test_a_project_made_private_gives_strangers_nothing_from_the_cache(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await in_db(change)(project, visibility="everyone")
    await ask(cast)
    assert await status(cast, user=cast.mallory) == "hit-exact"
    await in_db(change)(project, visibility="members")
    for text in (REFUND, AGAIN):
        (event,) = await tell(make_question(cast, text, user=cast.mallory))
        assert isinstance(event, AnswerFailed)
        assert event.status == 404


async def test_the_same_question_in_another_project_is_another_question(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await in_db(add_document)(cast.foreign)
    for text in (REFUND, AGAIN):
        assert await status(cast, text, user=cast.mallory, project="secret") in ("miss", "hit-semantic")
    answers = await in_db(lambda: set(CacheEntry.objects.values_list("project__slug", flat=True)))()
    assert answers == {"support", "secret"}
    assert len(upstream.history) == 2  # mallory's first was written for mallory


# --- The same question in other words -------------------------------------------------------------


async def test_the_same_question_in_other_words_is_a_hit_that_says_so(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    first = await ask(cast)
    again = await ask(cast, AGAIN, user=cast.bob)
    assert again.cache.status == "hit-semantic"
    assert again.cache.question == REFUND
    assert again.cache.similarity is not None
    assert 0.95 <= again.cache.similarity < 1
    assert (again.text, again.sources) == (first.text, first.sources)
    assert len(upstream.history) == 1


@pytest.mark.parametrize(
    "other",
    [
        "How many days do customers not have to return goods?",
        "How many hours do customers have to return goods?",
        "How many days did customers have to return goods in 2019?",
    ],
)
async def test_a_hard_difference_is_a_miss_however_near(
    cast: Cast, project: Project, upstream: Upstream, other: str
) -> None:
    await in_db(change)(project, cache_threshold=0.5)
    await ask(cast)
    assert await status(cast, other) == "miss"


async def test_the_reader_may_ask_for_more_similarity_but_not_for_less(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    assert await status(cast, AGAIN, threshold=1.0, no_store=True) == "miss"
    await in_db(change)(project, cache_threshold=1.0)
    assert await status(cast, AGAIN, threshold=0.5) == "miss"


@pytest.mark.parametrize("text", ["continue", "Yes", "thanks!", "ok, go on", "What about it?", "How old is he?", "2"])
async def test_texts_without_content_of_their_own_never_hit_nor_enter(
    cast: Cast, project: Project, upstream: Upstream, text: str
) -> None:
    await in_db(change)(project, cache_threshold=0.5)
    await ask(cast)
    assert await status(cast, text) == "miss"
    assert await in_db(CacheEntry.objects.filter(embedding__isnull=False).count)() == 1


async def test_a_follow_up_is_never_matched_by_its_meaning(cast: Cast, project: Project, upstream: Upstream) -> None:
    conversation_id = uuid4()
    await ask(cast, "Answer in French from now on.", conversation_id=conversation_id)
    await ask(cast, conversation_id=conversation_id)
    assert not await in_db(CacheEntry.objects.filter(question=REFUND, embedding__isnull=False).exists)()
    assert await status(cast, AGAIN) == "miss"


# --- What a project and a reader may choose -------------------------------------------------------


async def test_each_layer_has_a_switch(cast: Cast, project: Project, upstream: Upstream) -> None:
    await ask(cast)
    await in_db(change)(project, uses_semantic_cache=False)
    assert await status(cast, AGAIN, no_store=True) == "miss"
    assert await status(cast) == "hit-exact"
    await in_db(change)(project, uses_exact_cache=False, uses_semantic_cache=True)
    assert await status(cast, AGAIN) == "hit-semantic"


async def test_fresh_renews_and_no_store_leaves_nothing(cast: Cast, project: Project, upstream: Upstream) -> None:
    assert await status(cast, no_store=True) == "miss"
    assert not await in_db(CacheEntry.objects.exists)()
    await ask(cast)
    upstream.enqueue("Thirty [1].")
    assert (await ask(cast, fresh=True)).cache.status == "bypass"
    assert (await ask(cast)).text == "Thirty [1]."
    assert (await ask(cast, AGAIN)).text == "Thirty [1]."
    upstream.enqueue("None [1].")
    assert (await ask(cast, fresh=True, no_store=True)).text == "None [1]."
    assert (await ask(cast)).text == "Thirty [1]."


async def test_a_stable_project_keeps_its_answers_for_a_day(cast: Cast, project: Project, upstream: Upstream) -> None:
    await in_db(change)(project, is_stable=True)
    await ask(cast)
    row = await in_db(CacheEntry.objects.get)()
    assert row.expires_at - row.created_at == timedelta(days=1)


async def test_what_redis_lost_is_found_in_the_database_with_its_old_end(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await in_db(CacheEntry.objects.update)(expires_at=timezone.now() + timedelta(seconds=60))
    sync_redis().flushdb()
    assert await status(cast) == "hit-exact"
    (name,) = sync_redis().scan_iter("polyai:exact:*")
    assert 50_000 < int(sync_redis().pttl(name)) <= 60_000


async def test_an_approved_answer_outlives_its_time_but_not_its_evidence(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    row = await in_db(CacheEntry.objects.get)()
    await in_db(approval.approve)(row, cast.alice)
    await in_db(CacheEntry.objects.update)(expires_at=timezone.now() - timedelta(days=90))
    sync_redis().flushdb()
    for text in (REFUND, AGAIN):
        hit = await ask(cast, text)
        assert hit.cache.status.startswith("hit-")
        assert hit.cache.is_approved
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    assert await status(cast, AGAIN) == "miss"
    row = await in_db(CacheEntry.objects.get)(id=row.id)
    assert row.suspended_at is not None
    assert "changed" in row.suspended_because


# --- Together -------------------------------------------------------------------------------------


async def test_fifty_who_ask_the_same_at_once_cost_one_answer(cast: Cast, project: Project, upstream: Upstream) -> None:
    upstream.default = Reply(text="They have 30 days [1].", delay=0.2)
    answers = await asyncio.gather(*(ask(cast) for _ in range(50)))
    assert len(upstream.history) == 1
    assert {answer.text for answer in answers} == {"They have 30 days [1]."}
    statuses = [answer.cache.status for answer in answers]
    assert statuses.count("miss") == 1
    assert set(statuses) <= {"miss", "coalesced", "hit-exact"}
    assert "coalesced" in statuses


async def test_the_others_go_on_when_the_first_leaves(cast: Cast, project: Project, upstream: Upstream) -> None:
    upstream.default = Reply(text="They have 30 days [1].", delay=0.2)
    first = asyncio.create_task(ask(cast))
    await eventually(lambda: len(upstream.history) == 1)
    second = asyncio.create_task(ask(cast, user=cast.bob))
    await asyncio.sleep(0.2)
    first.cancel()
    answer = await second
    assert (answer.text, answer.cache.status) == ("They have 30 days [1].", "coalesced")
    assert len(upstream.history) == 1
    assert await status(cast) == "hit-exact"


async def test_an_error_is_an_error_for_all_and_for_nobody_later(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    upstream.default = Reply(status=400)
    ends = await asyncio.gather(*(tell(make_question(cast, REFUND)) for _ in range(5)))
    assert all(isinstance(events[-1], AnswerFailed) for events in ends)
    upstream.default = Reply()
    assert await status(cast) == "miss"


# --- When things are down -------------------------------------------------------------------------


async def expire(age: timedelta) -> None:
    await in_db(CacheEntry.objects.update)(expires_at=timezone.now() - age)
    sync_redis().flushdb()


async def test_an_expired_answer_serves_when_the_model_is_down_and_says_so(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    await expire(timedelta(hours=2))
    upstream.default = Reply(status=500)
    stale = await ask(cast)
    assert stale.cache.status == "stale"
    assert stale.cache.age is not None
    upstream.default = Reply()
    assert await status(cast) == "miss"


@pytest.mark.parametrize("why", ["too old", "changed", "deleted", "asked fresh", "never"])
async def test_a_stale_answer_never_serves(cast: Cast, project: Project, upstream: Upstream, why: str) -> None:
    await ask(cast)
    await expire(timedelta(days=2) if why == "too old" else timedelta(hours=1))
    if why == "changed":
        await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    if why == "deleted":
        await in_db(services.delete)(await in_db(Document.objects.get)())
    if why == "never":
        await in_db(change)(project, stale_ttl=0)
    upstream.default = Reply(status=500)
    assert isinstance(
        (await tell(make_question(cast, REFUND, fresh=why == "asked fresh", origin="api")))[-1], AnswerFailed
    )
    quoted = await ask(cast, fresh=why == "asked fresh")
    assert quoted.fault
    assert quoted.cache.status != "stale"


async def test_without_an_embedder_the_documents_are_searched_by_words(
    cast: Cast, project: Project, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from providers.openai_compatible import OpenAIEmbedder

    await ask(cast)
    dead = OpenAIEmbedder(model=settings.EMBEDDING_MODEL, base_url="", api_key="", socket="/nowhere.sock")
    monkeypatch.setattr("knowledge.spaces.get_embedder", lambda: dead)
    forget_serving()
    other = await ask(cast, "What does express shipping cost?")
    assert other.cache.status == "miss"
    assert "12 euros" in other.sources[0].text
    assert await in_db(CacheEntry.objects.count)() == 1  # what was found without its vector is not kept
    assert await status(cast) == "hit-exact"


async def test_a_value_in_redis_that_cannot_be_read_is_dropped_and_counted(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    (name,) = sync_redis().scan_iter("polyai:exact:*")
    for value in (b"", b"\xff\xfe", b"1 0 0 j\n{}", b"2 0 0 z\nnot packed", b'{"format": 1}'):
        sync_redis().set(name, value)
        assert await status(cast) == "hit-exact"  # from the database, which has it too
        assert sync_redis().get(name) != value
