"""The WebSocket, against the real ASGI application."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from chat.channels import channels
from chat.models import Message
from core.database import in_db
from core.errors import StoreUnavailable
from polyai.asgi import application
from tests.conftest import Cast, add_document, browser_of, eventually
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture
def document(cast: Cast) -> None:
    add_document(cast.project)


def socket_of(client: Client, conversation_id: UUID, origin: str = "http://localhost") -> WebsocketCommunicator:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
    if cookie is not None:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie.value}".encode()))
    return WebsocketCommunicator(application, f"/ws/conversations/{conversation_id}/", headers=headers)


async def opened(user: User, conversation_id: UUID | None = None) -> WebsocketCommunicator:
    socket = socket_of(await in_db(browser_of)(user), conversation_id or uuid4())
    connected, _ = await socket.connect()
    assert connected
    return socket


async def receive_until(socket: WebsocketCommunicator, *last: str) -> list[dict[str, Any]]:
    events = []
    while True:
        events.append(await socket.receive_json_from(timeout=10))
        if events[-1]["type"] in last:
            return events
        assert events[-1]["type"] != "refused", events[-1]


async def test_an_answer_comes_as_events_with_growing_ids(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue("They have **30 days** [1].", delay=0.02)
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    events = await receive_until(socket, "answer_completed", "answer_failed")
    first = events[0]["id"]
    assert [event["id"] for event in events] == list(range(first, first + len(events)))
    assert events[0]["type"] == "answer_started"
    assert events[1]["type"] == "sources_found"
    assert "within 30 days" in events[1]["sources_html"]
    deltas = [event for event in events if event["type"] == "text_delta"]
    assert "".join(event["text"] for event in deltas) == "They have **30 days** [1]."
    blocks: list[str] = []
    for event in deltas:
        blocks[event["html"]["start"] :] = event["html"]["blocks"]
    assert "".join(blocks) == events[-1]["html"]
    assert "<strong>30 days</strong>" in events[-1]["html"]
    assert events[-1]["cache"]["status"] == "miss"
    await socket.disconnect()


async def test_the_second_answer_is_cached_and_its_footer_says_so(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    for status in ("miss", "hit-exact"):
        socket = await opened(cast.alice)
        await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
        completed = (await receive_until(socket, "answer_completed"))[-1]
        assert completed["cache"]["status"] == status
        assert ("Cached" in completed["facts_html"]) == (status == "hit-exact")
        await socket.disconnect()


async def test_stop_keeps_what_had_come(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue("one two three four five six seven eight nine ten", delay=0.1)
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(socket, "text_delta")
    await socket.send_json_to({"type": "stop"})
    stopped = (await receive_until(socket, "answer_stopped", "answer_completed"))[-1]
    assert stopped["type"] == "answer_stopped"
    stored = await in_db(Message.objects.get)(id=stopped["answer_id"])
    assert stored.status == "stopped"
    assert stored.content.startswith("one")
    assert "ten" not in stored.content
    await socket.disconnect()


async def test_an_answer_goes_on_when_its_reader_leaves(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue("one two three four [1]", delay=0.1)
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    answer_id = (await receive_until(socket, "answer_started"))[-1]["answer_id"]
    await socket.disconnect()
    for _ in range(100):
        stored = await in_db(Message.objects.get)(id=answer_id)
        if stored.status == "complete":
            break
        await socket.receive_nothing(timeout=0.05)
    assert stored.content == "one two three four [1]"


async def test_a_second_question_waits_for_the_first(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue("one two three", delay=0.2)
    socket = await opened(cast.alice)
    for _ in range(2):
        await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    refused = (await receive_until(socket, "refused"))[-1]
    assert "still being answered" in refused["message"]
    assert (await receive_until(socket, "answer_completed"))[-1]["text"] == "one two three"
    await socket.disconnect()


async def test_who_has_the_whole_answer_may_ask_again_whatever_follows_it_up(
    cast: Cast, document: None, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_done = asyncio.Event()
    monkeypatch.setattr("chat.titles.request", lambda *_arguments: is_done.wait())
    socket = await opened(cast.alice)
    for _ in range(2):
        await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
        await receive_until(socket, "answer_completed")
    await socket.send_json_to({"type": "stop"})
    assert await socket.receive_nothing(timeout=0.2), "there is nothing left to stop"
    is_done.set()
    await socket.disconnect()


@pytest.mark.parametrize(
    "message",
    ["no json", "[]", '"ask"', '{"type": "unknown"}', '{"type": "ask"}', '{"type": "ask", "text": 7, "project": "x"}'],
)
async def test_a_message_that_cannot_be_used_is_refused_and_the_socket_lives(
    cast: Cast, document: None, message: str
) -> None:
    socket = await opened(cast.alice)
    await socket.send_to(text_data=message)
    assert (await socket.receive_json_from(timeout=5))["type"] == "refused"
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert (await receive_until(socket, "answer_completed"))[-1]["text"]
    await socket.disconnect()


async def test_binary_frames_are_refused(cast: Cast) -> None:
    socket = await opened(cast.alice)
    await socket.send_to(bytes_data=b"\x00\xff")
    assert (await socket.receive_json_from(timeout=5))["type"] == "refused"
    await socket.disconnect()


@pytest.mark.parametrize("text", ["", "x" * 20_000, "\x00\x01"])
async def test_a_bad_question_is_told_and_nothing_is_stored(cast: Cast, document: None, text: str) -> None:
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": text, "project": "support"})
    failed = (await receive_until(socket, "answer_failed"))[-1]
    assert failed["status"] in (400, 413)
    assert not await in_db(Message.objects.exists)()
    await socket.disconnect()


async def test_mallory_cannot_ask_elsewhere_nor_join_a_conversation(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    alices = await opened(cast.alice, conversation_id)
    await alices.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(alices, "answer_completed")
    await alices.disconnect()
    for project, conversation in (("support", uuid4()), ("secret", conversation_id)):
        socket = await opened(cast.mallory, conversation)
        await socket.send_json_to({"type": "ask", "text": REFUND, "project": project})
        events = await receive_until(socket, "answer_failed", "answer_completed")
        assert [event["type"] for event in events] == ["answer_failed"]
        assert events[0]["status"] == 404
        await socket.disconnect()


async def test_mallory_cannot_stop_alices_answer(cast: Cast, document: None, upstream: Upstream) -> None:
    upstream.enqueue("one two three four [1]", delay=0.1)
    conversation_id = uuid4()
    alices = await opened(cast.alice, conversation_id)
    await alices.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(alices, "text_delta")
    mallorys = await opened(cast.mallory, conversation_id)
    await mallorys.send_json_to({"type": "stop"})
    assert (await receive_until(alices, "answer_completed", "answer_stopped"))[-1]["type"] == "answer_completed"
    await alices.disconnect()
    await mallorys.disconnect()


async def test_nobody_connects_without_logging_in(cast: Cast) -> None:
    socket = socket_of(Client(), uuid4())
    await socket.connect()
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4401}
    await socket.disconnect()


@pytest.mark.parametrize("how", ["logs out", "changes the password", "is switched off"])
async def test_a_socket_dies_with_its_session(
    cast: Cast, document: None, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.consumers.RECHECK_AFTER", 0.0)
    client = await in_db(browser_of)(cast.alice)
    socket = socket_of(client, uuid4())
    await socket.connect()

    def end_session() -> None:
        if how == "logs out":
            client.logout()
        elif how == "changes the password":
            cast.alice.set_password("another horse 9")
            cast.alice.save()
        else:
            User.objects.filter(id=cast.alice.id).update(is_active=False)

    await in_db(end_session)()
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}
    assert not await in_db(Message.objects.exists)()


async def test_a_reader_of_whom_nobody_can_tell_whether_they_may_read_is_cut_off(
    cast: Cast, document: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away(_scope: object) -> bool:
        raise StoreUnavailable("The database does not answer.")

    monkeypatch.setattr("chat.consumers.RECHECK_READER_AFTER", 0.0)
    socket = await opened(cast.alice)
    monkeypatch.setattr("chat.consumers.has_ended", is_away)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert (await socket.receive_output(timeout=5))["type"] == "websocket.close"
    await eventually(lambda: not channels())


@pytest.mark.parametrize("origin", ["https://evil.example.org", "http://localhost:9999", "http://localhost@evil", ""])
async def test_nobody_connects_from_another_origin(cast: Cast, origin: str) -> None:
    client = await in_db(browser_of)(cast.alice)
    connected, _ = await socket_of(client, uuid4(), origin=origin).connect()
    assert not connected


async def test_one_connects_from_the_public_address_whatever_a_proxy_calls_the_server(
    cast: Cast, settings: Settings
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://localhost:8443"]
    client = await in_db(browser_of)(cast.alice)
    socket = socket_of(client, uuid4(), origin="https://localhost:8443")
    assert (await socket.connect())[0]
    await socket.disconnect()


async def test_the_run_is_forgotten_when_it_ends(cast: Cast, document: None, upstream: Upstream) -> None:
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    await receive_until(socket, "answer_completed")
    await socket.disconnect()
    await eventually(lambda: not channels())


async def test_one_can_still_ask_while_redis_is_away(cast: Cast, document: None, settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [settings.REDIS_URL]},
        }
    }
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    assert "30 days" in (await receive_until(socket, "answer_completed", "answer_failed"))[-1]["text"]
    await socket.disconnect()


async def test_a_limit_of_the_model_is_told_with_the_time_at_which_it_frees(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    upstream.default = Reply(status=429, retry_after=42)
    socket = await opened(cast.alice)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    failed = (await receive_until(socket, "answer_failed"))[-1]
    assert (failed["code"], failed["retry_after"]) == ("provider_rate_limited", 42)
    assert failed["message"] == "The language model 'test-model' is over its limit. Try again in 42 seconds."
    stored = await in_db(Message.objects.get)(id=failed["answer_id"])
    assert stored.error == "The language model 'test-model' is over its limit."  # the rest is true for 42 seconds
    await socket.disconnect()


async def test_a_message_of_any_length_is_refused_before_it_is_read(cast: Cast) -> None:
    socket = await opened(cast.alice)
    await socket.send_to(text_data='{"type": "follow", "x": "' + "x" * 200_000 + '"}')
    assert (await socket.receive_json_from())["type"] == "refused"
    await socket.disconnect()
