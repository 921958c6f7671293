"""WebSocket clients that behave as a browser's page does: log in, ask, follow, reload, lose the network."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from uuid import UUID, uuid4

import httpx2
import websockets
from websockets.typing import Origin

from tests.product import Product

EMAIL, PASSWORD = "bench@example.org", "correct horse 9"
ENDS = ("answer_completed", "answer_stopped", "answer_failed")


def sign_up(product: Product) -> None:
    product.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    product.manage("createsuperuser", "--noinput", "--email", EMAIL)


async def log_in(product: Product) -> str:
    """The session's cookie, as a header's value."""
    async with httpx2.AsyncClient(base_url=product.url, timeout=30) as client:
        form = (await client.get("/accounts/login/")).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token
        fields = {"csrfmiddlewaretoken": token[1], "login": EMAIL, "password": PASSWORD}
        answer = await client.post("/accounts/login/", data=fields, headers={"Referer": product.url})
        assert answer.status_code == 302, answer.text
        return f"sessionid={client.cookies['sessionid']}"


class Tab:
    """A page with one conversation open. `text` is what it shows of the last answer; `last` the last event's id."""

    def __init__(self, product: Product, cookie: str, conversation: UUID | None = None) -> None:
        self.product, self.cookie = product, cookie
        self.conversation = conversation or uuid4()
        self.socket: websockets.ClientConnection | None = None
        self.last: int | None = None
        self.text = ""
        self.answer_id = ""
        self.repeated = 0  # events that came a second time

    async def open(self) -> None:
        """Connect, for as long as the server is away."""
        address = f"{self.product.url.replace('http', 'ws', 1)}/ws/conversations/{self.conversation}/"
        while True:
            try:
                self.socket = await websockets.connect(
                    address,
                    origin=Origin(self.product.url),
                    additional_headers={"Cookie": self.cookie},
                    open_timeout=20,
                )
                return
            except (OSError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(0.2)

    async def send(self, **message: object) -> None:
        assert self.socket
        await self.socket.send(json.dumps(message))

    async def follow(self) -> None:
        await self.send(type="follow", **({} if self.last is None else {"after": self.last}))

    async def hear(self) -> dict[str, Any]:
        """The next event; what it says is shown."""
        assert self.socket
        event: dict[str, Any] = json.loads(await self.socket.recv())
        if event["type"] == "following":
            return event
        if "id" in event and event["type"] != "answer_interrupted":
            if self.last is not None and event["id"] <= self.last:
                self.repeated += 1
            self.last = event["id"]
        match event["type"]:
            case "answer_started":
                self.text, self.answer_id = "", event["answer_id"]
            case "text_delta":
                self.text += event["text"]
            case "answer_restarted":
                self.text = ""
        return event

    def cut(self) -> None:
        """As a lost network does: no word of farewell."""
        if self.socket is not None:
            self.socket.transport.abort()
            self.socket = None

    async def close(self) -> None:
        if self.socket is not None:
            await self.socket.close()
