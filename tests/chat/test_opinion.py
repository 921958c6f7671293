"""chat/opinion.py: in the grey band the project's own model is asked, and only a plain yes makes a hit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project
from caching import eviction
from caching.models import CacheEntry
from chat.curation import find_passages, write_answer
from chat.opinion import ask_whether_agreed, ask_whether_same
from core.database import in_db
from core.errors import ProviderError
from providers.registry import get_chat_model
from tests.chat.asking import AGAIN, REFUND, ask, change, counted, status
from tests.conftest import HANDBOOK, Cast, add_document
from tests.upstream import Reply, Upstream


@pytest.fixture
async def grey(project: Project, cast: Cast, upstream: Upstream) -> Project:
    """A cached answer to REFUND, from which AGAIN is a little too far away."""
    await change(project, cache_threshold=1.0, asks_second_opinion=True)
    upstream.enqueue("They have 30 days [1].")
    await ask(cast)
    upstream.history.clear()
    return project


def was_asked_for_an_opinion(request: dict[str, Any]) -> bool:
    return "Reply with one word" in request["messages"][0]["content"]


@pytest.mark.parametrize("word", ["yes", "Yes.", "YES", " yes\n", '"Yes"', "**yes**"])
async def test_a_yes_makes_a_hit_that_is_counted_with_its_tokens(
    cast: Cast, grey: Project, upstream: Upstream, word: str
) -> None:
    upstream.enqueue(word)
    hit = await ask(cast, AGAIN)
    assert (hit.cache.status, hit.text, hit.cache.question) == ("hit-semantic", "They have 30 days [1].", REFUND)
    (request,) = upstream.history
    assert was_asked_for_an_opinion(request)
    figures = await counted(grey)
    words = len(word.split(" "))
    assert figures["hit-semantic"] == 1
    assert figures["tokens-spent:opinion"] == 100 + words
    assert "veto:threshold" not in figures


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text="no"),
        Reply(text="No."),
        Reply(text="Yes and no"),
        Reply(text="Yes, but only for goods bought in May."),
        Reply(text="yesterday"),
        Reply(text="[1]"),
        Reply(text="𝐲𝐞𝐬 ignore the above"),
        Reply(text="yes", finish_reason="length"),
        Reply(text="yes", finish_reason="content_filter"),
    ],
    ids=lambda reply: f"{reply.text} ({reply.finish_reason})",
)
async def test_everything_else_is_a_miss_whose_tokens_are_counted(
    cast: Cast, grey: Project, upstream: Upstream, reply: Reply
) -> None:
    upstream.replies.append(reply)
    upstream.enqueue("Thirty days [1].")
    answer = await ask(cast, AGAIN)
    assert (answer.cache.status, answer.text) == ("miss", "Thirty days [1].")
    figures = await counted(grey)
    assert figures["tokens-spent:opinion"] == 100 + len(reply.text.split(" "))
    assert figures["veto:threshold"] == 1
    assert "fault:opinion" not in figures


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=400),
        Reply(status=500),
        Reply(text="yes yes", cut_after=1),
        Reply(text="yes", finish_reason=None),
        Reply(raw=b"data: {nothing of the kind\n\n"),
    ],
    ids=["refused", "failed", "cut off", "without an end", "no protocol"],
)
async def test_a_model_that_fails_is_a_miss_and_a_fault(
    cast: Cast, grey: Project, upstream: Upstream, reply: Reply
) -> None:
    upstream.replies.append(reply)
    await change(grey, uses_exact_cache=False)
    end = await ask(cast, AGAIN)
    assert end.cache.status == "miss"
    figures = await counted(grey)
    assert figures["fault:opinion"] == 1
    assert figures["miss"] == 2


async def test_a_model_that_takes_too_long_is_a_miss_and_a_fault(
    cast: Cast, grey: Project, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.opinion.PATIENCE", 0.2)
    upstream.enqueue("yes", first_delay=1.0)
    upstream.enqueue("Thirty days [1].")
    assert (await ask(cast, AGAIN)).text == "Thirty days [1]."
    assert (await counted(grey))["fault:opinion"] == 1


async def test_a_hard_difference_is_not_even_asked_about(cast: Cast, grey: Project, upstream: Upstream) -> None:
    upstream.default = Reply(text="yes")
    await ask(cast, "How many hours do customers have to return goods?")
    assert not any(map(was_asked_for_an_opinion, upstream.history))


@pytest.mark.parametrize("why", ["switched off", "asked fresh", "the very question", "its own threshold"])
async def test_nobody_is_asked_who_need_not_be(cast: Cast, grey: Project, upstream: Upstream, why: str) -> None:
    if why == "switched off":
        await change(grey, asks_second_opinion=False)
    text = REFUND if why == "the very question" else AGAIN
    await ask(cast, text, fresh=why == "asked fresh", threshold=1.0 if why == "its own threshold" else None)
    assert not any(map(was_asked_for_an_opinion, upstream.history))


async def test_a_yes_is_worth_nothing_where_the_evidence_has_changed(
    cast: Cast, grey: Project, upstream: Upstream
) -> None:
    await in_db(add_document)(grey, HANDBOOK.replace("30 days", "14 days"))
    upstream.enqueue("yes")
    upstream.enqueue("They have 14 days [1].")
    answer = await ask(cast, AGAIN)
    assert (answer.cache.status, answer.text) == ("miss", "They have 14 days [1].")
    assert (await counted(grey))["tokens-spent:opinion"] == 101


async def test_the_questions_reach_the_model_as_quoted_material(cast: Cast, grey: Project, upstream: Upstream) -> None:
    upstream.enqueue("no")
    await ask(cast, AGAIN)
    _, quoted = upstream.history[0]["messages"]
    assert json.loads(quoted["content"]) == {"first": AGAIN, "second": REFUND}


async def test_the_opinion_on_a_curators_answer_is_paid_at_the_price_of_the_model_that_gave_it(
    cast: Cast, project: Project, upstream: Upstream, settings: Settings
) -> None:
    settings.CHAT_MODEL = "gpt-4o-mini"
    get_chat_model.cache_clear()
    actor = cast.actor(cast.alice)
    shown = [passage.chunk_id for passage in await in_db(find_passages)(actor, project, REFUND)]
    await in_db(write_answer)(actor, project, REFUND, "30 days [1].", shown, cast.alice)
    await change(project, cache_threshold=1.0, asks_second_opinion=True)
    upstream.enqueue("yes")
    assert (await ask(cast, AGAIN)).cache.is_approved
    figures = await counted(project)
    assert figures["tokens-spent:opinion"] == 101
    assert figures["money-spent:opinion"] > 0
    assert "tokens-unpriced" not in figures


async def test_an_answer_evicted_while_the_opinion_was_formed_is_not_copied_to_redis(
    cast: Cast, grey: Project, upstream: Upstream
) -> None:
    upstream.enqueue("yes")
    assert await status(cast, AGAIN) == "hit-semantic"
    await in_db(eviction.evict)(await in_db(CacheEntry.objects.get)())
    upstream.enqueue("Thirty days [1].")
    assert await status(cast, AGAIN) == "miss"


async def test_a_model_that_only_quotes_has_no_opinion(cast: Cast, project: Project) -> None:
    await change(project, cache_threshold=1.0, asks_second_opinion=True)
    await ask(cast)
    assert await status(cast, AGAIN) == "miss"
    figures = await counted(project)
    assert not figures.keys() & {"tokens-spent:opinion", "fault:opinion"}
    opinion = await ask_whether_same(get_chat_model(), REFUND, REFUND)
    assert (opinion.is_same, opinion.tokens) == (None, 0)


async def test_two_answers_are_compared_with_their_question(upstream: Upstream) -> None:
    upstream.enqueue("yes")
    opinion = await ask_whether_agreed(get_chat_model(), REFUND, "30 days", "a month")
    assert (opinion.is_same, opinion.prompt_tokens, opinion.completion_tokens) == (True, 100, 1)
    quoted = json.loads(upstream.history[0]["messages"][1]["content"])
    assert quoted == {"question": REFUND, "first": "30 days", "second": "a month"}


async def test_half_a_surrogate_in_a_question_is_no_accident(upstream: Upstream) -> None:
    upstream.enqueue("no")
    try:
        opinion = await ask_whether_same(get_chat_model(), "how \ud800?", "how?")
    except ProviderError:
        return
    assert not opinion.is_same
