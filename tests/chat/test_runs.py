from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from accounts.types import Actor
from chat import runs
from chat.runs import merge_deltas
from chat.types import Event, Question, SourcesFound, TextDelta
from core.errors import StreamCut

FOUND = SourcesFound(sources=())


async def script(*steps: Event | float | Exception) -> AsyncGenerator[Event, None]:
    for step in steps:
        if isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, Exception):
            raise step
        else:
            yield step


async def merged(*steps: Event | float | Exception, window: float = 0.1) -> list[str]:
    events = [event async for event in merge_deltas(script(*steps), window)]
    return [event.text if isinstance(event, TextDelta) else type(event).__name__ for event in events]


def words(text: str) -> list[Event]:
    return [TextDelta(text=word) for word in text.split()]


async def test_the_first_word_goes_out_at_once_and_the_next_together() -> None:
    assert await merged(*words("a b c d")) == ["a", "bcd"]


async def test_no_word_waits_for_a_model_that_falls_silent() -> None:
    assert await merged(*words("a b"), 0.3, *words("c"), window=0.05) == ["a", "b", "c"]


async def test_words_go_out_before_whatever_comes_after_them() -> None:
    assert await merged(*words("a b"), FOUND, *words("c")) == ["a", "b", "SourcesFound", "c"]


async def test_no_word_is_lost_when_the_stream_fails() -> None:
    seen: list[str] = []

    async def read() -> None:
        async for event in merge_deltas(script(*words("a b c"), StreamCut("cut")), 10):
            assert isinstance(event, TextDelta)
            seen.append(event.text)

    with pytest.raises(StreamCut):
        await read()
    assert "".join(seen) == "abc"


async def test_closing_it_closes_what_it_reads_from() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Event, None]:
        try:
            while True:
                yield TextDelta(text=str(uuid4()))
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    reader = merge_deltas(endless(), 0.05)
    await anext(reader)
    await reader.aclose()
    assert closed.is_set()


async def test_others_are_told_while_a_long_answer_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "lorem *ipsum* [1] " * 15_000  # one paragraph: more than half a second to render
    monkeypatch.setattr(runs, "answer", lambda question: script(TextDelta(text=text)))
    actor, conversation_id = Actor(user_id=uuid4()), uuid4()
    followed = runs.follow((actor, conversation_id), 0)
    first = asyncio.ensure_future(anext(followed))
    await asyncio.sleep(0)
    began = latest = time.perf_counter()
    longest = 0.0
    runs.start(Question(actor=actor, project="support", text="?", conversation_id=conversation_id))
    while not first.done():
        await asyncio.sleep(0.001)
        longest, latest = max(longest, time.perf_counter() - latest), time.perf_counter()
    assert text in (await first)
    assert longest < (latest - began) / 2
    await followed.aclose()
