"""One generation for two server processes, and what becomes of it when one of them is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from accounts.models import Project, User
from caching import lease
from caching.models import CacheEntry
from chat.models import Message
from chat.types import AnswerCompleted, AnswerRestarted, SourcesFound, TextDelta
from core.database import in_db
from tests.chat.asking import REFUND, ask, counted, status
from tests.chat.processes import start_process
from tests.chat.test_consumers import opened, receive_until
from tests.conftest import HANDBOOK, Cast, add_document, eventually, make_question, tell
from tests.upstream import Reply, Upstream

SLOW = "They have 30 days [1] to return what they bought, from the day of its delivery [1]."


class Asker:
    """Another process that asks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, user: User, upstream: Upstream, text: str = REFUND) -> Asker:
        process = await start_process("tests.chat.asker", str(user.pk), "support", text, upstream=upstream)
        return cls(process)

    async def says(self, name: str) -> dict[str, Any]:
        """Its next event of this name."""
        assert self.process.stdout is not None
        while line := await asyncio.wait_for(self.process.stdout.readline(), 30):
            said, fields = json.loads(line)
            if said == name:
                assert isinstance(fields, dict)
                return fields
        raise AssertionError(f"it ended without {name}")

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest.fixture
async def askers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Asker]]:
    """Whoever is on this list is gone after the test."""
    for budget in ("TAKE_BUDGET", "WRITE_BUDGET", "READ_BUDGET"):
        monkeypatch.setattr(lease, budget, 3.0)
    running: list[Asker] = []
    yield running
    for asker in running:
        await asker.end()


async def test_two_processes_cost_one_answer(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    upstream.default = Reply(text=SLOW, delay=0.15)
    askers.append(other := await Asker.start(cast.alice, upstream))
    await other.says("TextDelta")
    answer = await ask(cast, user=cast.bob)
    first = await other.says("AnswerCompleted")
    assert (answer.text, answer.cache.status) == (SLOW, "coalesced")
    assert (first["text"], first["cache"]["status"]) == (SLOW, "miss")
    assert [str(source.chunk_id) for source in answer.sources] == [s["chunk_id"] for s in first["sources"]]
    assert len(upstream.history) == 1
    figures = await counted(project)
    assert (figures["miss"], figures["coalesced"]) == (1, 1)
    assert figures["tokens-avoided:prompt"] == figures["tokens-spent:prompt"] == 100
    assert await status(cast) == "hit-exact"


async def test_a_leader_killed_in_the_middle_leaves_a_whole_answer_told_anew(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    upstream.enqueue("They have some other number of days that nobody will ever read to the end.", delay=0.4)
    upstream.enqueue(SLOW)
    askers.append(other := await Asker.start(cast.alice, upstream))
    await other.says("TextDelta")
    asking = asyncio.create_task(tell(make_question(cast, REFUND, user=cast.bob)))
    await asyncio.sleep(1.0)  # some words have come over
    other.process.kill()
    events = await asking
    last = events[-1]
    assert isinstance(last, AnswerCompleted)
    assert last.text == SLOW
    assert last.finish_reason == "stop"
    restart = next(n for n, event in enumerate(events) if isinstance(event, AnswerRestarted))
    void = [event.text for event in events[:restart] if isinstance(event, TextDelta)]
    assert "".join(void).startswith("They have some")
    assert isinstance(events[restart + 1], SourcesFound)
    assert "".join(event.text for event in events[restart:] if isinstance(event, TextDelta)) == SLOW
    assert len(upstream.history) == 2
    stored = await in_db(Message.objects.get)(id=last.answer_id)
    assert (stored.content, stored.status) == (SLOW, "complete")
    assert (await in_db(CacheEntry.objects.get)()).text == SLOW


async def test_who_takes_over_pays_for_the_answer(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    upstream.enqueue("They have some other number of days that nobody will read.", delay=0.4)
    upstream.enqueue(SLOW)
    askers.append(other := await Asker.start(cast.alice, upstream))
    await other.says("TextDelta")
    asking = asyncio.create_task(ask(cast, user=cast.bob))
    await asyncio.sleep(0.5)
    other.process.kill()
    assert (await asking).cache.status == "miss"
    figures = await counted(project)
    assert figures["tokens-spent:prompt"] == 100
    assert "tokens-avoided:prompt" not in figures


async def test_a_page_is_told_that_the_answer_begins_anew(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    upstream.enqueue("They have **some** other number of days that nobody will read.", delay=0.4)
    upstream.enqueue(SLOW, delay=0.02)
    askers.append(other := await Asker.start(cast.alice, upstream))
    await other.says("TextDelta")
    socket = await opened(cast.bob)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(socket, "text_delta")
    other.process.kill()
    events = await receive_until(socket, "answer_completed", "answer_failed")
    restart = [event["type"] for event in events].index("answer_restarted")
    assert events[restart + 1]["type"] == "sources_found"
    blocks: list[str] = []
    for event in events[restart:]:
        if event["type"] == "text_delta":
            blocks[event["html"]["start"] :] = event["html"]["blocks"]
    assert "".join(blocks) == events[-1]["html"]
    assert "some other" not in events[-1]["html"]
    await socket.disconnect()


async def test_a_follower_killed_in_the_middle_harms_nobody(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    upstream.enqueue(SLOW, delay=0.25)
    asking = asyncio.create_task(ask(cast))
    await eventually(lambda: len(upstream.history) == 1)
    askers.append(other := await Asker.start(cast.bob, upstream))
    await other.says("TextDelta")
    other.process.kill()
    answer = await asking
    assert (answer.text, answer.cache.status) == (SLOW, "miss")
    assert len(upstream.history) == 1


async def test_documents_that_change_meanwhile_part_the_two(
    cast: Cast, project: Project, upstream: Upstream, askers: list[Asker]
) -> None:
    """Whoever asks after an upload shares nothing with whoever asked before it."""
    upstream.enqueue(SLOW, delay=0.25)
    askers.append(other := await Asker.start(cast.alice, upstream))
    await other.says("TextDelta")
    await in_db(add_document)(project, HANDBOOK.replace("30 days", "14 days"))
    upstream.enqueue("They have 14 days [1].")
    answer = await ask(cast, user=cast.bob)
    assert (answer.text, answer.cache.status) == ("They have 14 days [1].", "miss")
    await other.says("AnswerCompleted")
    assert (await ask(cast)).text == "They have 14 days [1]."
