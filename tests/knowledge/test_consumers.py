"""knowledge/consumers.py: the documents page, live, through the whole ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from accounts.models import Membership, User
from core.database import in_db
from knowledge import ingestion, services
from knowledge.progress import announce
from polyai.asgi import application
from tests.conftest import Cast, add_document, browser_of
from tests.knowledge.conftest import upload

Message = dict[str, Any]  # Any: JSON


async def socket_of(
    user: User | None, slug: str = "support", origin: str = "http://localhost"
) -> WebsocketCommunicator:
    headers = [(b"origin", origin.encode())]
    if user is not None:
        browser = await in_db(browser_of)(user)
        headers.append((b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode()))
    return WebsocketCommunicator(application, f"/ws/projects/{slug}/documents/", headers=headers)


@asynccontextmanager
async def watching(user: User) -> AsyncGenerator[WebsocketCommunicator, None]:
    socket = await socket_of(user)
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
    heard = [await hear(socket)]
    while words not in heard[-1]["html"]:
        heard.append(await hear(socket))
    return heard


async def test_a_page_sees_a_document_from_its_upload_until_it_is_ready(cast: Cast) -> None:
    async with watching(cast.alice) as socket:
        document, _ = await in_db(upload)(cast.project)
        first = await hear(socket)
        assert first["id"] == str(document.id)
        assert "Queued" in first["html"]
        await in_db(ingestion.ingest)(document.id)
        heard = await hear_until(socket, "Ready")
        assert {message["id"] for message in heard} == {str(document.id)}
        assert any("Reading" in message["html"] for message in heard)


async def test_a_page_that_opens_gets_what_it_may_have_missed(cast: Cast) -> None:
    ready = await in_db(add_document)(cast.project)
    failed = await in_db(add_document)(cast.project, b"broken\x00", "broken.md")
    async with watching(cast.alice) as socket:
        rows = {message["id"]: message["html"] for message in [await hear(socket), await hear(socket)]}
    assert "Ready" in rows[str(ready.id)]
    assert "NUL bytes" in rows[str(failed.id)]


async def test_a_deleted_document_leaves_the_page(cast: Cast) -> None:
    document = await in_db(add_document)(cast.project)
    document_id = str(document.id)
    async with watching(cast.alice) as socket:
        await hear(socket)
        await in_db(services.delete)(document)
        assert await hear(socket) == {"id": document_id, "html": None}


async def test_only_editors_get_buttons(cast: Cast) -> None:
    await in_db(add_document)(cast.project)
    async with watching(cast.alice) as socket:
        assert "<button" in (await hear(socket))["html"]
    async with watching(cast.bob) as socket:
        assert "<button" not in (await hear(socket))["html"]


async def test_a_name_is_shown_and_not_run(cast: Cast) -> None:
    await in_db(add_document)(cast.project, name="<img src=x onerror=attack()>.md")
    async with watching(cast.alice) as socket:
        html = (await hear(socket))["html"]
    assert "<img" not in html
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
        await in_db(add_document)(cast.foreign, "The secret is 42.", "secret.md")
        assert await socket.receive_nothing(timeout=0.2)


async def test_a_row_of_another_project_is_never_sent_whoever_announces_it(cast: Cast) -> None:
    secret = await in_db(add_document)(cast.foreign, "The secret is 42.", "secret.md")
    async with watching(cast.alice) as socket:
        await in_db(announce)(cast.project.id, secret.id)
        assert (await hear(socket))["html"] is None


async def test_a_member_who_was_removed_meanwhile_sees_nothing_more(cast: Cast) -> None:
    async with watching(cast.bob) as socket:
        await in_db(Membership.objects.filter(user=cast.bob).delete)()
        document, _ = await in_db(upload)(cast.project, name="top secret.md")
        assert await hear(socket) == {"id": str(document.id), "html": None}


async def test_a_member_whose_role_grew_gets_the_buttons(cast: Cast) -> None:
    async with watching(cast.bob) as socket:
        await in_db(Membership.objects.filter(user=cast.bob).update)(role="editor")
        await in_db(upload)(cast.project)
        assert "<button" in (await hear(socket))["html"]
