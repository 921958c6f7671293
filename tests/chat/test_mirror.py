"""Runs that are followed from somewhere else: another socket, another process, or the same one after a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.testing import WebsocketCommunicator
from pytest_django.fixtures import Settings

from accounts.types import Actor
from chat import mirror, services
from chat.channels import channels, join
from chat.frames import Frame
from chat.models import Message
from core.database import in_db
from core.redis import sync_redis
from tests.chat.asking import REFUND
from tests.chat.processes import start_process
from tests.chat.test_consumers import opened, receive_until
from tests.conftest import Cast, add_document, eventually
from tests.upstream import Reply, Upstream

WORDS = "They have thirty days [1] to return what they bought and that is all there is to say."
ENDS = ("answer_completed", "answer_failed", "answer_stopped")


@pytest.fixture
def document(cast: Cast) -> None:
    add_document(cast.project)


@pytest.fixture
async def runner(
    cast: Cast, document: None, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[asyncio.subprocess.Process, UUID]]:
    """Another process, which writes an answer in one of alice's conversations."""
    monkeypatch.setattr(mirror, "BUDGET", 3.0)
    upstream.default = Reply(text=WORDS, delay=0.15)
    conversation_id = uuid4()
    process = await start_process(
        "tests.chat.runner", str(cast.alice.pk), "support", str(conversation_id), REFUND, upstream=upstream
    )
    yield process, conversation_id
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def followed(socket: WebsocketCommunicator, *last: str, after: int | None = None) -> list[dict[str, Any]]:
    await socket.send_json_to({"type": "follow"} if after is None else {"type": "follow", "after": after})
    assert (await socket.receive_json_from(timeout=10))["type"] == "following"
    return await receive_until(socket, *last)


def said(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "text_delta")


def is_in_order(events: list[dict[str, Any]]) -> bool:
    ids = [event["id"] for event in events if "id" in event]
    return ids == list(range(ids[0], ids[0] + len(ids)))


async def until_written(conversation_id: UUID) -> Message:
    for _ in range(200):
        message = await in_db(Message.objects.filter(conversation_id=conversation_id, role="assistant").first)()
        if message is not None:
            return message
        await asyncio.sleep(0.05)
    raise AssertionError("the other process wrote nothing")


async def until_stopped(answer_id: UUID) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while (await Message.objects.aget(id=answer_id)).status != "stopped":
        assert asyncio.get_running_loop().time() < deadline, "nobody stopped it"
        await asyncio.sleep(0.02)


async def test_every_frame_of_another_process_comes_once_and_in_order(
    cast: Cast, runner: tuple[asyncio.subprocess.Process, UUID]
) -> None:
    _process, conversation_id = runner
    await until_written(conversation_id)
    early, late = await opened(cast.alice, conversation_id), await opened(cast.alice, conversation_id)
    begun = await followed(early, "text_delta", after=0)
    events = await followed(late, *ENDS, after=0)
    rest = await receive_until(early, *ENDS)
    for told in (events, begun + rest):
        assert told[0]["type"] == "answer_started"
        assert is_in_order(told)
        assert said(told) == WORDS == told[-1]["text"]
    again = await opened(cast.alice, conversation_id)
    assert await followed(again, *ENDS, after=events[-3]["id"]) == events[-2:]
    for socket in (early, late, again):
        await socket.disconnect()
    await eventually(lambda: not channels())


async def test_a_run_is_stopped_from_another_process(
    cast: Cast, runner: tuple[asyncio.subprocess.Process, UUID]
) -> None:
    _process, conversation_id = runner
    await until_written(conversation_id)
    socket = await opened(cast.alice, conversation_id)
    await followed(socket, "text_delta", after=0)
    mallorys = await opened(cast.mallory, conversation_id)
    await mallorys.send_json_to({"type": "stop"})
    await socket.send_json_to({"type": "stop"})
    events = await receive_until(socket, *ENDS)
    assert events[-1]["type"] == "answer_stopped"
    stored = await in_db(Message.objects.get)(id=events[-1]["answer_id"])
    assert stored.status == "stopped"
    assert WORDS.startswith(stored.content)
    for each in (socket, mallorys):
        await each.disconnect()


async def test_a_run_is_stopped_from_where_nobody_follows_it(
    cast: Cast, runner: tuple[asyncio.subprocess.Process, UUID]
) -> None:
    """As by who deletes the conversation."""
    _process, conversation_id = runner
    message = await until_written(conversation_id)
    place = (Actor(user_id=cast.alice.id), conversation_id)
    while (await mirror.standing(place))[0] != message.id:
        assert (await in_db(Message.objects.get)(id=message.id)).status == "streaming"
        await asyncio.sleep(0.02)
    await mirror.stop(place, None)
    await until_stopped(message.id)


async def test_what_is_asked_beside_an_answer_of_another_process_takes_nothing_of_it_away(
    cast: Cast, runner: tuple[asyncio.subprocess.Process, UUID]
) -> None:
    _process, conversation_id = runner
    await until_written(conversation_id)
    watching, asking = await opened(cast.alice, conversation_id), await opened(cast.alice, conversation_id)
    events = await followed(watching, "text_delta", after=0)
    await asking.send_json_to({"type": "ask", "text": "Another?", "project": "support"})
    (failed,) = await receive_until(asking, "answer_failed")
    events += await receive_until(watching, "answer_failed")
    assert events.pop() == failed
    assert (failed["answer_id"], failed["id"]) == (None, events[-1]["id"])
    events += await receive_until(watching, "answer_completed")
    late = await opened(cast.alice, conversation_id)
    assert is_in_order(events)
    assert said(events) == WORDS
    assert await followed(late, "answer_completed", after=0) == events
    for socket in (watching, asking, late):
        await socket.disconnect()


async def test_a_stop_that_comes_late_stops_no_other_answer(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue(WORDS, delay=0.02)
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(socket, "text_delta")
    await socket.send_json_to({"type": "stop", "answer_id": str(uuid4())})
    assert (await receive_until(socket, *ENDS))[-1]["type"] == "answer_completed"
    await socket.disconnect()


async def test_a_killed_process_leaves_an_interrupted_message_with_all_that_was_seen_of_it(
    cast: Cast, runner: tuple[asyncio.subprocess.Process, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, conversation_id = runner
    await until_written(conversation_id)
    socket = await opened(cast.alice, conversation_id)
    await socket.send_json_to({"type": "follow", "after": 0})
    events: list[dict[str, Any]] = []
    while len(said(events)) < 20:
        events.append(await socket.receive_json_from(timeout=10))
    process.kill()
    monkeypatch.setattr("chat.mirror.DOUBT", 0.2)
    rest = await receive_until(socket, "answer_interrupted")
    monkeypatch.setattr("chat.services.ABANDONED_AFTER", services.ABANDONED_AFTER * 0)
    assert await in_db(services.interrupt_abandoned)() == 1
    stored = await in_db(Message.objects.get)(id=rest[-1]["answer_id"])
    assert (stored.status, stored.content) == ("interrupted", said(events + rest).strip())
    assert WORDS.startswith(stored.content)
    assert stored.content
    await socket.disconnect()


async def test_a_cut_off_reader_goes_on_behind_the_last_frame_it_had(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    upstream.enqueue(WORDS, delay=0.1)
    conversation_id = uuid4()
    socket = await opened(cast.alice, conversation_id)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    events = await receive_until(socket, "text_delta")
    await socket.disconnect()
    while True:  # cut off again and again
        socket = await opened(cast.alice, conversation_id)
        events += await followed(socket, "text_delta", *ENDS, after=events[-1]["id"])
        await socket.disconnect()
        if events[-1]["type"] in ENDS:
            break
    assert is_in_order(events)
    assert said(events) == WORDS == events[-1]["text"]


async def test_another_tab_sees_what_is_asked_in_the_first(cast: Cast, document: None, upstream: Upstream) -> None:
    conversation_id = uuid4()
    asking, watching = await opened(cast.alice, conversation_id), await opened(cast.alice, conversation_id)
    await watching.send_json_to({"type": "follow"})
    following = await watching.receive_json_from(timeout=10)
    assert (following["type"], following["answer_id"]) == ("following", None)
    for _ in range(2):
        await asking.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
        asked = await receive_until(asking, *ENDS)
        assert await receive_until(watching, *ENDS) == asked
        assert asked[0]["question"] == REFUND
    for socket in (asking, watching):
        await socket.disconnect()
    await eventually(lambda: not channels())


async def test_who_opens_a_conversation_after_its_last_answer_is_told_nothing_of_it(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    for _ in range(2):
        socket = await opened(cast.alice, conversation_id)
        await socket.send_json_to({"type": "follow"})
        assert (await socket.receive_json_from(timeout=10))["type"] == "following"
        assert await socket.receive_nothing(timeout=0.3)
        await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
        assert (await receive_until(socket, *ENDS))[0]["type"] == "answer_started"
        await socket.disconnect()


async def test_who_asks_what_cannot_be_answered_is_told_nothing_of_the_answer_before(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    for text, end in ((REFUND, "answer_completed"), ("", "answer_failed")):
        socket = await opened(cast.alice, conversation_id)
        await socket.send_json_to({"type": "ask", "text": text, "project": "support"})
        assert (await receive_until(socket, *ENDS))[-1]["type"] == end
        assert await socket.receive_nothing(timeout=0.7)
        await socket.disconnect()


async def test_a_place_in_the_future_hides_nothing(cast: Cast, document: None, upstream: Upstream) -> None:
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "follow", "after": 2**53})
    assert (await socket.receive_json_from(timeout=10))["id"] < 2**53
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert (await receive_until(socket, *ENDS))[0]["type"] == "answer_started"
    await socket.disconnect()


@pytest.mark.parametrize("after", [-1, "7", 1.5, True, [], {}])
async def test_a_place_that_is_none_is_refused(cast: Cast, after: object) -> None:
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "follow", "after": after})
    assert (await socket.receive_json_from(timeout=5))["type"] == "refused"
    await socket.disconnect()


async def test_mallory_follows_nothing_of_alices(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue(WORDS, delay=0.02)
    conversation_id = uuid4()
    alices, mallorys = await opened(cast.alice, conversation_id), await opened(cast.mallory, conversation_id)
    await mallorys.send_json_to({"type": "follow", "after": 0})
    assert (await mallorys.receive_json_from(timeout=5))["type"] == "following"
    await alices.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(alices, *ENDS)
    assert await mallorys.receive_nothing(timeout=0.3)
    for socket in (alices, mallorys):
        await socket.disconnect()


async def test_tabs_of_one_process_see_the_same_while_redis_is_away(
    cast: Cast, document: None, settings: Settings
) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    conversation_id = uuid4()
    asking, watching = await opened(cast.alice, conversation_id), await opened(cast.alice, conversation_id)
    await watching.send_json_to({"type": "follow"})
    assert (await watching.receive_json_from(timeout=10))["type"] == "following"
    await asking.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert await receive_until(watching, *ENDS) == await receive_until(asking, *ENDS)
    for socket in (asking, watching):
        await socket.disconnect()


async def test_one_connection_reads_for_all_who_follow_and_goes_when_they_go(cast: Cast, upstream: Upstream) -> None:
    sockets = [await opened(cast.alice) for _ in range(20)]
    for socket in sockets:
        await socket.send_json_to({"type": "follow"})
        assert (await socket.receive_json_from(timeout=10))["type"] == "following"
    redis = sync_redis()
    ours = str(redis.get_connection_kwargs()["db"])  # a second worker of this test run has a database of its own
    waiting = set()
    for _ in range(50):
        waiting.add(sum("b" in client["flags"] and client["db"] == ours for client in redis.client_list()))
        await asyncio.sleep(0.02)
    assert max(waiting) == 1
    for socket in sockets:
        await socket.disconnect()
    await eventually(lambda: not channels() and not mirror.reader().is_reading)


async def test_frames_that_come_while_others_are_written_are_not_lost(cast: Cast, upstream: Upstream) -> None:
    place = (Actor(user_id=cast.alice.id), uuid4())
    channel = join(place)
    channel.begin(uuid4())
    channel.led_by = asyncio.create_task(asyncio.sleep(60))
    over = asyncio.Event()
    mirror.publish(place, channel, over)
    for number in range(1, 2001):
        channel.add(Frame(id=number, text="{}"))
        await asyncio.sleep(0.0002)
    channel.led_by.cancel()
    channel.end()
    over.set()
    name = f"polyai:run:{cast.alice.id}:{place[1]}"
    await eventually(lambda: int(sync_redis().xlen(name)) == 2000)
