"""chat/doubts.py: who loses a right reads no more of what is being written, from that moment on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client

from accounts.members import remove_member
from accounts.models import Membership, Project, Role, User
from accounts.services import change_project, delete_project
from core.database import in_db
from tests.chat.asking import REFUND
from tests.chat.test_consumers import opened, receive_until, socket_of
from tests.chat.test_mirror import document, runner, until_stopped, until_written  # noqa: F401  # fixtures
from tests.conftest import Cast, browser_of
from tests.upstream import Reply, Upstream

CLOSED = {"type": "websocket.close", "code": 4401}


async def following(client: Client, conversation_id: UUID) -> WebsocketCommunicator:
    socket = socket_of(client, conversation_id)
    await socket.connect()
    await socket.send_json_to({"type": "follow"})
    assert (await socket.receive_json_from(timeout=10))["type"] == "following"
    return socket


def log_out(client: Client, user: User) -> None:
    client.logout()


def change_password(client: Client, user: User) -> None:
    user.set_password("another horse 9")
    user.save()


def switch_off(client: Client, user: User) -> None:
    user.is_active = False
    user.save()


@pytest.mark.parametrize("end", [log_out, change_password, switch_off])
async def test_a_socket_to_which_nothing_comes_is_closed_with_its_session(
    cast: Cast, end: Callable[[Client, User], None]
) -> None:
    client = await in_db(browser_of)(cast.alice)
    socket, others = await following(client, uuid4()), await following(await in_db(browser_of)(cast.bob), uuid4())
    await in_db(end)(client, cast.alice)
    assert await socket.receive_output(timeout=10) == CLOSED
    assert await others.receive_nothing(timeout=0.1), "somebody else's stays open"
    for each in (socket, others):
        await each.disconnect()


def take_out(project: Project, user: User) -> None:
    remove_member(project, user.pk)


def delete(project: Project, user: User) -> None:
    delete_project(project)


def close_to_everyone(project: Project, user: User) -> None:
    change_project(project, name=project.name, visibility=Project.Visibility.MEMBERS)


@pytest.mark.parametrize("lose", [take_out, delete, close_to_everyone])
async def test_nothing_more_of_an_answer_reaches_who_may_not_read_the_project_any_more(
    cast: Cast,
    document: None,  # noqa: F811  # the fixture
    upstream: Upstream,
    lose: Callable[[Project, User], None],
) -> None:
    reader = cast.bob
    if lose is close_to_everyone:
        reader = cast.mallory
        await Project.objects.filter(id=cast.project.id).aupdate(visibility=Project.Visibility.EVERYONE)
    upstream.default = Reply(text="one two three four five six seven eight nine ten " * 20, delay=0.05)
    socket = await opened(reader)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    begun = await receive_until(socket, "text_delta")
    await in_db(lose)(cast.project, reader)
    failed = (await until(socket, "answer_failed"))[-1]
    assert (failed["code"], failed["answer_id"]) == ("not_found", begun[0]["answer_id"])
    assert await socket.receive_nothing(timeout=0.3)
    await until_stopped(UUID(begun[0]["answer_id"]))
    await socket.send_json_to({"type": "follow", "after": 0})
    assert [event["type"] for event in await until(socket, "refused")] == ["refused"], "nor what had come before"
    await socket.disconnect()


async def test_an_answer_that_nobody_reads_along_is_stopped_too(
    cast: Cast,
    document: None,  # noqa: F811  # the fixture
    upstream: Upstream,
) -> None:
    upstream.default = Reply(text="one two three four five six seven eight nine ten " * 20, delay=0.05)
    socket = await opened(cast.bob)
    await socket.send_json_to({"type": "ask", "text": REFUND, "project": "support"})
    begun = await receive_until(socket, "text_delta")
    await socket.disconnect()
    await in_db(remove_member)(cast.project, cast.bob.pk)
    await until_stopped(UUID(begun[0]["answer_id"]))


async def test_an_answer_of_another_process_is_withheld_and_stopped_too(
    cast: Cast,
    runner: tuple[asyncio.subprocess.Process, UUID],  # noqa: F811  # the fixture
) -> None:
    _process, conversation_id = runner
    message = await until_written(conversation_id)
    socket = await opened(cast.alice, conversation_id)
    await socket.send_json_to({"type": "follow", "after": 0})
    while (await socket.receive_json_from(timeout=10))["type"] != "text_delta":
        pass
    await in_db(Membership.objects.create)(project=cast.project, user=cast.mallory, role=Role.OWNER)
    await in_db(remove_member)(cast.project, cast.alice.pk)
    assert (await until(socket, "answer_failed"))[-1]["code"] == "not_found"
    await until_stopped(message.id)
    await socket.disconnect()


async def until(socket: WebsocketCommunicator, last: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []  # Any: JSON
    while not events or events[-1]["type"] != last:
        events.append(await socket.receive_json_from(timeout=10))
    return events
