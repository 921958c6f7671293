"""A run that is stopped, or fails, at any moment: what was told of it and what is stored of it are the same."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.types import Actor
from chat import runs, services
from chat.channels import Place, channels, stop_here
from chat.models import Conversation, Message
from chat.pipeline import answer
from chat.runs import merge_deltas
from chat.types import AnswerStarted, Branch, Event, Question, TurnEnd, TurnStart
from core.database import in_db
from tests.conftest import Cast, add_document, complete, eventually, make_question
from tests.upstream import Upstream

ENDS = ("answer_completed", "answer_failed", "answer_stopped")


@pytest.fixture
def document(cast: Cast) -> None:
    add_document(cast.project)


async def told_until_its_end(place: Place) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async with aclosing(runs.follow(place, 0)) as frames:
        async for frame in frames:
            events += [json.loads(frame)] if frame else []
            if events and events[-1]["type"] in ENDS:
                break
    return events


def stored(conversation_id: UUID) -> tuple[list[UUID], UUID | None]:
    """The messages of a conversation, and which of them is shown."""
    conversation = Conversation.objects.filter(id=conversation_id).first()
    messages = Message.objects.filter(conversation_id=conversation_id).values_list("id", flat=True)
    return list(messages), conversation.tip_id if conversation else None


@pytest.fixture(params=["new", "next", "regenerate", "edit"])
async def question(request: pytest.FixtureRequest, cast: Cast, document: None) -> Question:
    """One that begins a conversation, and one of each kind that goes on with one."""
    first = make_question(cast, "What is the first?")
    if request.param == "new":
        return first
    answered = await complete(first)
    asked = await in_db(Message.objects.get)(conversation_id=answered.conversation_id, role="user")
    branch = None if request.param == "next" else Branch(kind=request.param, message_id=asked.id)
    text = "" if request.param == "regenerate" else "What is the second?"
    return make_question(cast, text, conversation_id=answered.conversation_id, branch=branch)


async def test_stopped_while_it_is_stored_nothing_is_left_of_it(
    question: Question, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (question.actor, question.conversation_id)
    before = await in_db(stored)(question.conversation_id)
    is_storing, may_store, store = threading.Event(), threading.Event(), services.store_turn

    def slowly(question: Question, start: TurnStart, end: TurnEnd | None = None) -> None:
        is_storing.set()
        assert may_store.wait(10)
        store(question, start, end)

    monkeypatch.setattr(services, "store_turn", slowly)
    requests = len(upstream.history)
    runs.start(question)
    told = asyncio.create_task(told_until_its_end(place))
    await eventually(is_storing.is_set)
    assert stop_here(place)
    await asyncio.sleep(0.05)
    assert stop_here(place)  # said twice: nothing is cut off by it
    may_store.set()
    ((event),) = await told
    assert (event["type"], event["answer_id"]) == ("answer_stopped", None)
    assert await in_db(stored)(question.conversation_id) == before
    assert len(upstream.history) == requests
    monkeypatch.undo()
    assert (await complete(question)).text


@pytest.mark.parametrize("attempt", range(3))
async def test_stopped_at_any_moment_what_is_told_is_stored(
    attempt: int, cast: Cast, document: None, upstream: Upstream
) -> None:
    seen = set()
    for moment in range(40):
        question = make_question(cast, f"What is {attempt}-{moment}?")
        place = (question.actor, question.conversation_id)
        runs.start(question)
        following = asyncio.create_task(told_until_its_end(place))
        await asyncio.sleep(moment * 0.001)
        stop_here(place)
        told = await following
        messages, tip = await in_db(stored)(question.conversation_id)
        seen.add(told[-1]["type"])
        if told[0]["type"] == "answer_started":
            assert tip == UUID(told[0]["answer_id"]) == UUID(told[-1]["answer_id"])
            assert len(messages) == 2
            status = (await in_db(Message.objects.get)(id=tip)).status
            assert status in ("complete", told[-1]["type"].removeprefix("answer_"))  # a late stop changes nothing
        else:
            assert [event["answer_id"] for event in told] == [None]
            assert (messages, tip) == ([], None)
    assert "answer_stopped" in seen


async def test_failed_before_it_has_begun_nothing_is_left_of_it(
    question: Question, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_arguments: object) -> None:
        raise RuntimeError("not foreseen")

    before = await in_db(stored)(question.conversation_id)
    monkeypatch.setattr("chat.turns.embed", break_down)
    runs.start(question)
    (event,) = await told_until_its_end((question.actor, question.conversation_id))
    assert (event["type"], event["answer_id"]) == ("answer_failed", None)
    assert await in_db(stored)(question.conversation_id) == before


async def test_cached_answers_that_begin_a_conversation_at_once_are_both_stored(cast: Cast, document: None) -> None:
    """As when one is asked past the socket: by a form, a program, or in another process."""
    known = await complete(make_question(cast, "What does express shipping cost?"))
    question = make_question(cast, "What does express shipping cost?")
    async with aclosing(answer(question)) as one, aclosing(answer(question)) as other:
        begun = [await anext(one), await anext(other)]
        ends = [[event async for event in events][-1] for events in (one, other)]
    assert [getattr(end, "text", end) for end in ends] == [known.text] * 2
    messages, tip = await in_db(stored)(question.conversation_id)
    assert len(messages) == 4
    assert {tip} < {event.answer_id for event in begun if isinstance(event, AnswerStarted)} < set(messages)


async def test_stopped_before_its_first_step_it_ends() -> None:
    place = (Actor(user_id=uuid4()), uuid4())
    following = asyncio.create_task(told_until_its_end(place))
    await asyncio.sleep(0)
    runs.start(Question(actor=place[0], project="support", text="?", conversation_id=place[1]))
    stop_here(place)
    assert [event["type"] for event in await following] == ["answer_stopped"]
    await eventually(lambda: place not in channels())


async def test_what_has_begun_in_the_moment_of_the_stop_is_told() -> None:
    begun = AnswerStarted(
        conversation_id=uuid4(), question_id=uuid4(), answer_id=uuid4(), title="", question="?", follows=None
    )
    may_begin = asyncio.Event()
    events = []

    async def begins() -> AsyncGenerator[Event, None]:
        await may_begin.wait()
        reading.cancel()
        yield begun

    async def read() -> None:
        async for event in merge_deltas(begins()):
            events.append(event)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    may_begin.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert events == [begun]
