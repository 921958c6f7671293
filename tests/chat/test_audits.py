"""chat/audits.py: a share of the hits is answered again, and what comes of it is learned from."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from accounts.models import Project
from caching import approval
from caching.models import CacheEntry, Judgement
from chat import audits
from chat.models import Message
from chat.types import AnswerCompleted
from core.database import in_db
from core.redis import sync_redis
from knowledge import services
from knowledge.models import Document
from providers.registry import get_chat_model
from tests.chat.asking import AGAIN, EXPRESS, REFUND, ask, counted, status
from tests.conftest import HANDBOOK, Cast, add_document, eventually
from tests.upstream import Reply, Upstream


@pytest.fixture
async def hit(cast: Cast, project: Project, upstream: Upstream) -> AnswerCompleted:
    """Given by the cache to a question in other words."""
    upstream.enqueue("They have 30 days [1].")
    await ask(cast)
    answer = await ask(cast, AGAIN)
    assert answer.cache.status == "hit-semantic"
    upstream.history.clear()
    return answer


async def audit(answer_id: UUID, corpus_version: int | None = None) -> bool | None:
    """As a worker does it; under the documents' present version, unless the test says otherwise."""
    version = await in_db(lambda: Project.objects.get(slug="support").corpus_version)()
    return await audits.audit(answer_id, version if corpus_version is None else corpus_version)


async def judgements() -> list[Judgement]:
    return await in_db(lambda: list(Judgement.objects.all()))()


async def entries_left() -> int:
    return await in_db(CacheEntry.objects.count)()


async def offset() -> float:
    return await in_db(lambda: Project.objects.get(slug="support").verdict_offset)()


# --- Which hits ------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    """The answers that were queued for an audit."""
    queued: list[str] = []

    def send_task(name: str, args: list[str], **_: object) -> None:
        if name == "chat.tasks.audit_hit":
            queued.append(args[0])

    monkeypatch.setattr("chat.audits.current_app.send_task", send_task)
    settings.AUDIT_SHARE = 1.0
    return queued


async def test_every_hit_is_audited_where_the_share_is_one_and_none_where_it_is_nought(
    cast: Cast, project: Project, upstream: Upstream, sent: list[str], settings: Settings
) -> None:
    await ask(cast)
    assert sent == []  # a miss is nothing to audit
    hits = [await ask(cast, text) for text in (REFUND, AGAIN)]
    assert sent == [str(hit.answer_id) for hit in hits]
    settings.AUDIT_SHARE = 0.0
    await ask(cast)
    assert len(sent) == 2


async def test_about_the_share_is_audited(
    cast: Cast, project: Project, upstream: Upstream, sent: list[str], settings: Settings
) -> None:
    settings.AUDIT_SHARE = 0.25
    for _ in range(1000):
        await audits.sample(uuid4(), 1)
    assert 150 < len(sent) < 350  # seven standard deviations


async def test_follow_ups_and_what_nobody_keeps_are_not_audited(
    cast: Cast, project: Project, upstream: Upstream, sent: list[str]
) -> None:
    for _ in range(2):
        conversation_id = uuid4()
        await ask(cast, "Answer in French from now on.", conversation_id=conversation_id)
        sent.clear()
        last = await ask(cast, conversation_id=conversation_id)
    assert last.cache.status == "hit-exact"
    await ask(cast, is_kept=False)
    await ask(cast, is_kept=False)
    assert sent == []


async def test_a_queue_that_is_away_costs_no_answer(
    cast: Cast, project: Project, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("away")

    settings.AUDIT_SHARE = 1.0
    monkeypatch.setattr("chat.audits.current_app.send_task", away)
    await ask(cast)
    assert await status(cast) == "hit-exact"


# --- What comes of it ------------------------------------------------------------------------------


async def test_an_answer_that_agrees_is_a_right_one(hit: AnswerCompleted, project: Project, upstream: Upstream) -> None:
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("yes")
    assert await audit(hit.answer_id) is True
    (judgement,) = await judgements()
    assert (judgement.origin, judgement.layer, judgement.is_right) == ("audit", "semantic", True)
    assert (judgement.asked, judgement.known) == (AGAIN, REFUND)
    assert judgement.similarity == hit.cache.similarity
    assert str(judgement.entry_id) == hit.cache.entry_id
    assert await entries_left() == 1
    assert await offset() > 0
    figures = await counted(project)
    assert figures["tokens-spent:audit"] == (100 + 3) + (100 + 1)


async def test_an_answer_that_does_not_agree_is_evicted_and_makes_the_verdict_stricter(
    cast: Cast, hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    upstream.enqueue("Sixty days [1].")
    upstream.enqueue("no")
    assert await audit(hit.answer_id) is False
    (judgement,) = await judgements()
    assert not judgement.is_right
    assert await entries_left() == 0
    assert not list(sync_redis().scan_iter("polyai:exact:*"))
    assert await offset() < 0
    assert await status(cast, AGAIN) == "miss"


@pytest.mark.parametrize("reply", ["Well, that depends.", "yes and no"])
async def test_a_model_that_says_neither_yes_nor_no_judges_nothing(
    hit: AnswerCompleted, project: Project, upstream: Upstream, reply: str
) -> None:
    upstream.enqueue("Sixty days [1].")
    upstream.enqueue(reply)
    assert await audit(hit.answer_id) is None
    assert await judgements() == []
    assert await entries_left() == 1
    assert (await counted(project))["fault:audit"] == 1


async def test_what_was_answered_again_is_not_put_into_the_cache(
    hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    before = await in_db(lambda: CacheEntry.objects.values().get())()
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("yes")
    await audit(hit.answer_id)
    assert await in_db(lambda: CacheEntry.objects.values().get())() == before


async def test_an_approved_answer_that_does_not_agree_waits_for_its_curator(
    cast: Cast, hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    await in_db(approval.approve)(await in_db(CacheEntry.objects.get)(), cast.alice)
    upstream.enqueue("Sixty days [1].")
    upstream.enqueue("no")
    await audit(hit.answer_id)
    row = await in_db(CacheEntry.objects.get)()
    assert row.suspended_at is not None
    assert AGAIN in row.suspended_because
    assert await status(cast, AGAIN) == "miss"


async def test_an_audit_of_the_very_question_does_not_move_the_verdict(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    await ask(cast)
    hit = await ask(cast)
    upstream.enqueue("Sixty days [1].")
    upstream.enqueue("no")
    assert await audit(hit.answer_id) is False
    assert await offset() == 0
    assert await entries_left() == 0


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(status=500)],
        [Reply(text="They have", cut_after=1)],
        [Reply(text=" ")],
        [Reply(text="Sixty days [1]."), Reply(status=500)],
        [Reply(text="Sixty days [1]."), Reply(text="no", finish_reason=None)],
    ],
    ids=["down", "cut off", "empty", "down for the comparison", "comparison without an end"],
)
async def test_a_model_that_is_down_judges_nothing(
    hit: AnswerCompleted, project: Project, upstream: Upstream, replies: list[Reply]
) -> None:
    upstream.replies.extend(replies)
    assert await audit(hit.answer_id) is None
    assert await judgements() == []
    assert await entries_left() == 1
    assert (await counted(project))["fault:audit"] == 1


async def test_the_tokens_of_an_audit_that_came_to_nothing_are_counted_too(
    hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue(status=500)
    await audit(hit.answer_id)
    assert (await counted(project))["tokens-spent:audit"] == 103


async def test_an_audit_costs_money_at_the_models_price(
    cast: Cast, project: Project, upstream: Upstream, settings: Settings
) -> None:
    settings.CHAT_MODEL = "gpt-4o-mini"
    get_chat_model.cache_clear()
    upstream.default = Reply(text="They have 30 days [1].", model="gpt-4o-mini")
    await ask(cast)
    hit = await ask(cast)
    upstream.enqueue("Thirty days [1].", model="gpt-4o-mini")
    upstream.enqueue("yes", model="gpt-4o-mini")
    await audit(hit.answer_id)
    figures = await counted(project)
    assert figures["tokens-spent:audit"] == 204
    assert figures["money-spent:audit"] == 200 * 150 + 4 * 600  # billionths of a dollar


async def test_an_audit_done_twice_judges_once(hit: AnswerCompleted, project: Project, upstream: Upstream) -> None:
    for _ in range(2):
        upstream.enqueue("Sixty days [1].")
        upstream.enqueue("no")
        await audit(hit.answer_id)
    assert len(await judgements()) == 1
    assert (await counted(project))["tokens-spent:audit"] == 204


@pytest.mark.parametrize("how", ["edit", "delete", "related upload"])
async def test_a_hit_is_not_blamed_for_documents_that_changed_after_it(
    hit: AnswerCompleted, project: Project, upstream: Upstream, how: str
) -> None:
    before = project.corpus_version
    if how == "edit":
        await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    elif how == "delete":
        await in_db(services.delete)(await in_db(Document.objects.get)())
    else:
        await in_db(add_document)(project, "Customers have 60 days to return goods that they bought in May.", "may.md")
    upstream.enqueue("Fourteen days [1].")
    upstream.enqueue("no")
    assert await audit(hit.answer_id, before) is None
    assert await judgements() == []
    assert await offset() == 0
    assert upstream.history == []


async def test_documents_that_change_while_the_audit_runs_leave_nothing_to_judge(
    hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    upstream.enqueue("Fourteen days [1].", delay=0.2)
    upstream.enqueue("no")
    auditing = asyncio.create_task(audit(hit.answer_id))
    await eventually(lambda: len(upstream.history) == 1)
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    assert await auditing is None
    assert await judgements() == []
    assert (await counted(project))["tokens-spent:audit"] == 204


async def test_an_answer_written_anew_is_not_evicted_for_the_one_before_it(
    cast: Cast, hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    upstream.enqueue("Thirty whole days [1].")
    await ask(cast, fresh=True)
    upstream.enqueue("Sixty days [1].")
    upstream.enqueue("no")
    await audit(hit.answer_id)
    assert (await ask(cast)).text == "Thirty whole days [1]."


async def test_a_hit_whose_conversation_is_gone_is_not_audited(
    cast: Cast, hit: AnswerCompleted, upstream: Upstream
) -> None:
    assert await audit(uuid4()) is None
    await in_db(lambda: Message.objects.get(id=hit.answer_id).conversation.delete())()
    assert await audit(hit.answer_id) is None
    assert upstream.history == []


async def test_a_miss_is_not_audited(cast: Cast, project: Project, upstream: Upstream) -> None:
    assert await audit((await ask(cast)).answer_id) is None
    assert len(upstream.history) == 1


# --- The model that quotes -------------------------------------------------------------------------


async def test_quoted_answers_agree_when_they_quote_the_same_passages(cast: Cast, project: Project) -> None:
    await ask(cast)
    hit = await ask(cast, AGAIN)
    assert await audit(hit.answer_id) is True


async def test_quoted_answers_from_other_passages_do_not_agree(cast: Cast, project: Project) -> None:
    def blame_another(answer_id: UUID) -> None:
        """As if the cached answer had been given for a question about something else."""
        message = Message.objects.select_related("parent").get(id=answer_id)
        assert message.parent is not None
        Message.objects.filter(id=message.parent.id).update(content=EXPRESS)

    await ask(cast)
    hit = await ask(cast)
    await in_db(blame_another)(hit.answer_id)
    assert await audit(hit.answer_id) is False


# --- The verdict -----------------------------------------------------------------------------------


async def test_the_offset_moves_back_and_forth_with_what_is_judged(
    cast: Cast, hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    seen = []
    for word in ("no", "yes", "yes", "yes"):
        upstream.enqueue("They have 30 days [1].")
        await ask(cast, fresh=True)
        hit = await ask(cast, AGAIN, threshold=0.5)
        assert hit.cache.status == "hit-semantic"
        upstream.enqueue("Thirty days [1].")
        upstream.enqueue(word)
        await audit(hit.answer_id)
        seen.append(await offset())
    assert seen[0] < 0
    assert sorted(seen) == seen


async def test_two_audits_at_once_do_not_trip_over_each_other(
    cast: Cast, hit: AnswerCompleted, project: Project, upstream: Upstream
) -> None:
    other = await ask(cast)
    upstream.default = Reply(text="no", finish_reason="stop")
    assert list(await asyncio.gather(audit(hit.answer_id), audit(other.answer_id))) == [False, False]
    assert await entries_left() == 0
    assert len(await judgements()) == 2
