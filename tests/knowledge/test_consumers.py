"""knowledge/consumers.py: the documents page, live, through the whole ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session

from accounts.models import Membership, User
from core.database import in_db
from knowledge import ingestion, services
from knowledge.progress import announce
from polyai.asgi import application
from tests.conftest import Cast, add_document, browser_of
from tests.knowledge.conftest import upload

Message = dict[str, Any]  # Any: JSON


async def socket_of(
    user: User | None, slug: str = "support", origin: str = "http://localhost", query: str = ""
) -> WebsocketCommunicator:
    headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
    if user is not None:
        browser = await in_db(browser_of)(user)
        headers.append((b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode()))
    return WebsocketCommunicator(application, f"/ws/projects/{slug}/documents/{query}", headers=headers)


@asynccontextmanager
async def watching(user: User, query: str = "") -> AsyncGenerator[WebsocketCommunicator, None]:
    socket = await socket_of(user, query=query)
    connected, _ = await socket.connect(timeout=5)
    assert connected
    try:
        yield socket
    finally:
        await socket.disconnect()


async def hear(socket: WebsocketCommunicator) -> Message:
    message: Message = await socket.receive_json_from(timeout=5)
    return message


async def hear_until(socket: WebsocketCommunicator, words: str) -> list[Message]:
    """Messages up to the one with a row that has these words."""
    heard = [await hear(socket)]
    while words not in rows_of(heard[-1]):
        heard.append(await hear(socket))
    return heard


def rows_of(message: Message) -> str:
    return "".join(message["rows"].values())


async def test_a_page_sees_a_document_from_its_upload_until_it_is_ready(cast: Cast) -> None:
    async with watching(cast.alice) as socket:
        assert (await hear(socket))["ids"] == []
        document, _ = await in_db(upload)(cast.project)
        first = await hear(socket)
        assert first["ids"] == [str(document.id)]
        assert "Queued" in first["rows"][str(document.id)]
        assert "In progress <b>1</b>" in first["summary"]
        await in_db(ingestion.ingest)(document.id)
        last = (await hear_until(socket, "Ready"))[-1]
        assert list(last["rows"]) == [str(document.id)]
        assert "Ready <b>1</b>" in last["summary"]
        assert "In progress" not in last["summary"]


async def test_a_page_that_opens_gets_what_it_may_have_missed(cast: Cast) -> None:
    ready = await in_db(add_document)(cast.project)
    failed = await in_db(add_document)(cast.project, b"broken\x00", "broken.md")
    async with watching(cast.alice) as socket:
        message = await hear(socket)
    assert message["ids"] == [str(failed.id), str(ready.id)]
    assert "Ready" in message["rows"][str(ready.id)]
    assert "Try again: broken.md" in message["rows"][str(failed.id)]
    assert "Try all failed again" in message["summary"]


async def test_a_page_is_told_of_its_own_rows_and_counts_all(cast: Cast) -> None:
    await in_db(add_document)(cast.project)
    failed = await in_db(add_document)(cast.project, b"broken\x00", "broken.md")
    async with watching(cast.alice, "?state=failed") as socket:
        message = await hear(socket)
        assert (message["ids"], list(message["rows"])) == ([str(failed.id)], [str(failed.id)])
        assert "All <b>2</b>" in message["summary"]
        await in_db(upload)(cast.project, name="new.md")
        message = await hear(socket)
        assert (message["ids"], message["rows"]) == ([str(failed.id)], {})
        assert "All <b>3</b>" in message["summary"]


async def test_a_hundred_changes_at_once_are_a_few_messages(cast: Cast) -> None:
    document = await in_db(add_document)(cast.project)
    async with watching(cast.alice) as socket:
        await hear(socket)
        for number in range(100):
            await in_db(services.set_tags)([document], add=[f"tag {number // 3}"])
        heard = await hear_until(socket, "tag 33")
        assert len(heard) < 50


async def test_a_deleted_document_leaves_the_page(cast: Cast) -> None:
    document = await in_db(add_document)(cast.project)
    async with watching(cast.alice) as socket:
        await hear(socket)
        await in_db(services.delete)(document)
        message = await hear(socket)
        assert (message["ids"], message["rows"]) == ([], {})


async def test_only_editors_get_buttons(cast: Cast) -> None:
    await in_db(add_document)(cast.project)
    await in_db(add_document)(cast.project, b"broken\x00", "broken.md")
    for user, has_buttons in ((cast.alice, True), (cast.bob, False)):
        async with watching(user) as socket:
            message = await hear(socket)
            for html in (rows_of(message), message["summary"]):
                assert ("<button" in html) is has_buttons
                assert ("<input" in rows_of(message)) is has_buttons


async def test_a_name_is_shown_and_not_run(cast: Cast) -> None:
    document = await in_db(add_document)(cast.project, name="<img src=x onerror=attack()>.md")
    await in_db(services.set_tags)([document], add=["<b>tag</b>"])
    async with watching(cast.alice) as socket:
        html = rows_of(await hear(socket))
    assert "<img" not in html
    assert "<b>tag" not in html
    assert "&lt;img" in html


@pytest.mark.parametrize("slug", ["support", "nowhere"])
async def test_to_mallory_the_project_does_not_exist(cast: Cast, slug: str) -> None:
    await in_db(add_document)(cast.project)
    socket = await socket_of(cast.mallory, slug)
    await socket.connect(timeout=5)
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4404}


async def test_who_is_not_logged_in_is_told_so(cast: Cast) -> None:
    socket = await socket_of(None)
    await socket.connect(timeout=5)
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4401}


async def test_another_site_cannot_open_the_socket_with_ones_cookie(cast: Cast) -> None:
    socket = await socket_of(cast.alice, origin="https://evil.example")
    connected, _ = await socket.connect(timeout=5)
    assert not connected


async def test_nothing_is_heard_of_another_project(cast: Cast) -> None:
    async with watching(cast.alice) as socket:
        await hear(socket)
        await in_db(add_document)(cast.foreign, "The secret is 42.", "secret.md")
        assert await socket.receive_nothing(timeout=0.2)


async def test_a_row_of_another_project_is_never_sent_whoever_announces_it(cast: Cast) -> None:
    secret = await in_db(add_document)(cast.foreign, "The secret is 42.", "secret.md")
    async with watching(cast.alice) as socket:
        assert (await hear(socket))["ids"] == []
        await in_db(announce)(cast.project.id, secret.id)
        assert await socket.receive_nothing(timeout=0.7)


async def test_a_member_who_was_removed_meanwhile_sees_nothing_more(cast: Cast) -> None:
    async with watching(cast.bob) as socket:
        await hear(socket)
        await in_db(Membership.objects.filter(user=cast.bob).delete)()
        await in_db(upload)(cast.project, name="top secret.md")
        assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4404}


async def test_who_logged_out_meanwhile_sees_nothing_more(cast: Cast) -> None:
    async with watching(cast.bob) as socket:
        await hear(socket)
        await in_db(Session.objects.all().delete)()
        await in_db(upload)(cast.project, name="top secret.md")
        assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}


async def test_a_member_whose_role_grew_gets_the_buttons(cast: Cast) -> None:
    async with watching(cast.bob) as socket:
        await hear(socket)
        await in_db(Membership.objects.filter(user=cast.bob).update)(role="editor")
        await in_db(upload)(cast.project)
        assert "<button" in rows_of(await hear(socket))
