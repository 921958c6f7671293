"""chat/curation.py: answers that a person stands for, and what they outlive and do not."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Project
from caching import approval, eviction
from caching.models import CacheEntry
from chat.curation import WRITTEN, find_passages, write_answer
from core.database import in_db
from core.errors import InvalidInput
from core.redis import sync_redis
from knowledge import services
from knowledge.models import Document
from providers.registry import get_chat_model
from tests.chat.asking import AGAIN, EXPRESS, REFUND, ask, change, counted, status
from tests.conftest import HANDBOOK, Cast, add_document
from tests.upstream import Reply, Upstream

OURS = "Thirty days, from the day of delivery [1]."
OFFICE = "Our office is in Bergen, on the second floor above the bakery."


def seen(cast: Cast, project: Project, question: str = REFUND) -> list[UUID]:
    """The passages that the form shows."""
    return [passage.chunk_id for passage in find_passages(cast.actor(cast.alice), project, question)]


async def write(cast: Cast, question: str = REFUND, text: str = OURS) -> UUID:
    def now() -> UUID:
        actor, project = cast.actor(cast.alice), Project.objects.get(slug="support")
        return write_answer(actor, project, question, text, seen(cast, project, question), cast.alice)

    return await in_db(now)()


async def row_of(identity: UUID) -> CacheEntry:
    return await in_db(CacheEntry.objects.get)(id=identity)


# --- Writing ---------------------------------------------------------------------------------------


async def test_it_is_given_to_everybody_who_asks_in_whatever_words(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    identity = await write(cast)
    for text, expected in ((REFUND, "hit-exact"), (AGAIN, "hit-semantic"), (REFUND, "hit-exact")):
        hit = await ask(cast, text, user=cast.bob)
        assert (hit.text, hit.cache.status, hit.cache.is_approved) == (OURS, expected, True)
        assert (hit.model, hit.cache.entry_id) == (WRITTEN, str(identity))
        assert [source.n for source in hit.sources] == [1]
        assert "within 30 days" in hit.sources[0].text
    assert upstream.history == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thirty days.", "Cite at least one passage"),
        ("Thirty days [9].", "Cite at least one passage"),
        ("Thirty days `[1]`.", "Cite at least one passage"),
        ("", "answer of 1 to"),
        ("  \n ", "answer of 1 to"),
        ("[1]" + "x" * 20_000, "answer of 1 to"),
        ("\ud800 [1]", "broken character"),
        ("\x00 [1]", "broken character"),
    ],
)
async def test_an_answer_that_cannot_be_checked_is_refused(
    cast: Cast, project: Project, text: str, expected: str
) -> None:
    with pytest.raises(InvalidInput, match=expected):
        await write(cast, text=text)
    assert not await in_db(CacheEntry.objects.exists)()


@pytest.mark.parametrize("question", ["", "continue", "thanks", "How long do they have?", "And then?"])
async def test_a_question_that_does_not_stand_alone_is_refused(cast: Cast, project: Project, question: str) -> None:
    with pytest.raises(InvalidInput, match="stands alone"):
        await write(cast, question=question)


async def test_what_has_no_source_is_taken_out_of_the_text(cast: Cast, project: Project) -> None:
    row = await row_of(await write(cast, text="Thirty days [1, 8]."))
    assert row.text == "Thirty days [1]."


async def test_the_passages_are_offered_in_the_order_of_their_numbers(cast: Cast, project: Project) -> None:
    passages = await in_db(find_passages)(cast.actor(cast.alice), project, REFUND)
    assert "within 30 days" in passages[0].text


async def test_who_may_not_read_the_project_finds_no_passages(cast: Cast, project: Project) -> None:
    assert await in_db(find_passages)(cast.actor(cast.mallory), project, REFUND) == []


async def test_it_replaces_what_a_model_wrote_in_every_layer(cast: Cast, project: Project, upstream: Upstream) -> None:
    await ask(cast)
    await ask(cast)
    await write(cast)
    assert (await ask(cast)).text == OURS
    assert (await ask(cast, AGAIN)).text == OURS
    assert await in_db(CacheEntry.objects.count)() == 1


@pytest.mark.parametrize("text", [REFUND, AGAIN])
async def test_a_newer_one_replaces_an_older_one_and_a_promoted_one(
    cast: Cast, project: Project, upstream: Upstream, text: str
) -> None:
    await ask(cast)
    await in_db(approval.approve)(await in_db(CacheEntry.objects.get)(), cast.bob)
    await write(cast, text="An older one [1].")
    assert (await ask(cast, text)).text == "An older one [1]."
    await write(cast)
    assert (await ask(cast, text)).text == OURS
    sync_redis().flushdb()
    assert (await ask(cast, text)).text == OURS


async def test_an_approved_answer_to_the_same_words_after_a_history_stays(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    first = await ask(cast, "Answer in French from now on.")
    upstream.enqueue("Trente jours [1].")
    await ask(cast, conversation_id=first.conversation_id)
    await in_db(approval.approve)(await in_db(CacheEntry.objects.get)(question=REFUND), cast.alice)
    await write(cast)
    assert await in_db(CacheEntry.objects.filter(question=REFUND).count)() == 2


async def test_documents_that_change_while_it_is_written_are_noticed(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    old = await in_db(Project.objects.get)(id=project.id)  # as the form was opened
    shown = await in_db(seen)(cast, old)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    with pytest.raises(InvalidInput, match="changed"):
        await in_db(write_answer)(cast.actor(cast.alice), old, REFUND, "Fourteen days [1].", shown, cast.alice)


async def test_a_newcomer_takes_no_number_of_what_the_curator_has_seen(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    shown = await in_db(seen)(cast, project)
    await in_db(add_document)(project, f"{REFUND} They have 95 days.", "other.md")
    fresh = await in_db(Project.objects.get)(id=project.id)
    identity = await in_db(write_answer)(cast.actor(cast.alice), fresh, REFUND, OURS, shown, cast.alice)
    row = await row_of(identity)
    assert "30 days" in row.sources[0]["text"]
    for nothing in ([], [uuid4()]):
        with pytest.raises(InvalidInput, match="changed"):
            await in_db(write_answer)(cast.actor(cast.alice), fresh, REFUND, OURS, nothing, cast.alice)


async def test_numbers_alone_are_no_answer(cast: Cast, project: Project) -> None:
    with pytest.raises(InvalidInput, match="beside the numbers"):
        await write(cast, text="[1] [2].")


async def test_a_passage_deleted_while_the_answer_is_stored_is_cited_by_none(
    cast: Cast, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the search for passages and the writing: nothing would suspend the answer, or forget their text."""
    store = approval.write

    def delete_first(*args: object, **fields: object) -> UUID:
        services.delete(Document.objects.get())
        return store(*args, **fields)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr("chat.curation.approval.write", delete_first)
    with pytest.raises(InvalidInput, match="changed"):
        await write(cast)
    assert not await in_db(CacheEntry.objects.exists)()


# --- Serving ---------------------------------------------------------------------------------------


async def test_it_serves_every_model(cast: Cast, project: Project, upstream: Upstream, settings: Settings) -> None:
    await write(cast)
    for model in ("another-model", "a-third"):
        settings.CHAT_MODEL = model
        get_chat_model.cache_clear()
        assert (await ask(cast)).text == OURS
        assert (await ask(cast, AGAIN)).text == OURS
    settings.CHAT_CONFIGURED = False
    get_chat_model.cache_clear()
    assert (await ask(cast)).text == OURS


async def test_it_outlives_its_time(cast: Cast, project: Project, upstream: Upstream) -> None:
    identity = await write(cast)
    past = timezone.now() - timedelta(days=400)
    await in_db(CacheEntry.objects.update)(created_at=past, expires_at=past)
    sync_redis().flushdb()
    assert await in_db(eviction.purge)() == 0
    for text in (REFUND, AGAIN):
        hit = await ask(cast, text)
        assert (hit.text, hit.cache.entry_id) == (OURS, str(identity))
        assert hit.cache.age is not None
        assert hit.cache.age > 300 * 24 * 3600


async def test_it_survives_a_flush(cast: Cast, project: Project, upstream: Upstream) -> None:
    await write(cast)
    await in_db(eviction.flush)(project)
    assert (await ask(cast)).text == OURS


@pytest.mark.parametrize("text", [REFUND, AGAIN])
async def test_asking_fresh_does_not_displace_it(cast: Cast, project: Project, upstream: Upstream, text: str) -> None:
    await write(cast)
    upstream.enqueue("Sixty days [1].")
    fresh = await ask(cast, text, fresh=True)
    assert (fresh.text, fresh.cache.status, fresh.cache.is_approved) == ("Sixty days [1].", "bypass", False)
    assert (await ask(cast)).text == OURS


async def test_a_conversation_in_which_it_would_mean_something_else_does_not_get_it(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await write(cast)
    first = await ask(cast, "Answer in French from now on.")
    upstream.enqueue("Trente jours [1].")
    assert (await ask(cast, conversation_id=first.conversation_id)).text == "Trente jours [1]."


async def test_other_projects_do_not_get_it(cast: Cast, project: Project, upstream: Upstream) -> None:
    await write(cast)
    await in_db(add_document)(cast.foreign)
    assert await status(cast, user=cast.mallory, project="secret") == "miss"


async def test_a_project_that_caches_nothing_does_not_give_it(cast: Cast, project: Project, upstream: Upstream) -> None:
    await write(cast)
    await change(project, cache_ttl=0)
    assert await status(cast) == "miss"


# --- When the evidence changes ---------------------------------------------------------------------


async def suspended(identity: UUID) -> str:
    row = await row_of(identity)
    assert (row.suspended_at is None) == (row.suspended_because == "")
    return row.suspended_because


@pytest.mark.parametrize("is_promoted", [False, True], ids=["written", "promoted"])
@pytest.mark.parametrize("how", ["edit", "delete", "related upload"])
@pytest.mark.parametrize("text", [REFUND, AGAIN])
async def test_changed_evidence_suspends_it_and_the_model_answers(
    cast: Cast, project: Project, upstream: Upstream, how: str, text: str, is_promoted: bool
) -> None:
    if is_promoted:
        await ask(cast)
        row = await in_db(CacheEntry.objects.get)()
        await in_db(approval.approve)(row, cast.alice)
        identity = row.id
    else:
        identity = await write(cast)
    assert (await ask(cast, text)).cache.is_approved
    if how == "edit":
        await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    elif how == "delete":
        await in_db(services.delete)(await in_db(Document.objects.get)())
    else:
        await in_db(add_document)(project, "Customers have 60 days to return goods that they bought in May.", "may.md")
    if how != "related upload":
        assert await suspended(identity)  # at once, whoever asks or not
    upstream.default = Reply(text="Look it up [1].")
    for _ in range(2):
        now = await ask(cast, text)
        assert now.text in ("Look it up [1].", "Look it up.")
        assert not now.cache.is_approved
    assert await suspended(identity)


async def test_an_unrelated_upload_leaves_it_in_service(cast: Cast, project: Project, upstream: Upstream) -> None:
    identity = await write(cast)
    await in_db(add_document)(project, OFFICE, "office.md")
    assert (await ask(cast)).text == OURS
    assert await suspended(identity) == ""


async def test_a_deleted_document_leaves_none_of_its_text_behind(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    identity = await write(cast)
    await in_db(services.delete)(await in_db(Document.objects.get)())
    assert (await row_of(identity)).sources == []


async def test_a_suspended_one_comes_back_when_it_is_written_anew(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    identity = await write(cast)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    await ask(cast)  # a model's answer takes its place meanwhile
    assert await write(cast, text="Fourteen days [1].") == identity
    assert await suspended(identity) == ""
    assert (await ask(cast)).text == "Fourteen days [1]."


async def test_a_suspended_one_is_not_approved_as_it_stands(cast: Cast, project: Project, upstream: Upstream) -> None:
    identity = await write(cast)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    with pytest.raises(InvalidInput, match="Write it anew"):
        await in_db(approval.approve)(await row_of(identity), cast.alice)


async def test_an_approval_withdrawn_is_over(cast: Cast, project: Project, upstream: Upstream) -> None:
    identity = await write(cast)
    await ask(cast)
    await in_db(approval.withdraw)(await row_of(identity))
    assert await status(cast) == "miss"


async def test_what_it_saves_is_counted_as_a_hit(cast: Cast, project: Project, upstream: Upstream) -> None:
    await write(cast)
    await ask(cast)
    await ask(cast, EXPRESS)
    figures = await counted(project)
    assert (figures["hit-exact"], figures["miss"], figures["requests"]) == (1, 1, 2)
