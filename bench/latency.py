"""How long a hit and a first token take, beside the least that they could."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx2
import openai
import websockets
from django.conf import settings
from websockets.typing import Origin

from bench.figures import Clock, Spread, in_turn
from tests.product import Product
from tests.upstream import MODEL, Upstream

QUESTION = "How does PolyAI decide that a cached answer may be served?"
PROJECT = "bench"
ENDS = ("answer_completed", "answer_failed", "answer_stopped", "refused")


class Chat:
    """A logged-in WebSocket, as the chat page has one."""

    def __init__(self, product: Product) -> None:
        from accounts.models import Membership, Project, Role, User

        self._product = product
        self.user = User.objects.filter(email="bench@example.org").first() or User.objects.create_superuser(
            "bench@example.org", uuid.uuid4().hex
        )
        Membership.objects.get_or_create(project=Project.objects.get(slug=PROJECT), user=self.user, role=Role.OWNER)
        self._cookie = session(self.user)

    async def ask(self, text: str, *, fresh: bool = False) -> tuple[float, float, dict[str, Any]]:  # Any: an event
        """Milliseconds to the first words and to the end, and the event that ended it; a conversation of its own."""
        async with self.connect() as socket:
            with Clock() as clock:
                first, event = await self.ask_on(socket, text, fresh=fresh)
        assert event["type"] == "answer_completed", event
        return first, clock.ms, event

    def connect(self) -> websockets.connect:
        """A socket for a conversation of its own."""
        address = f"{self._product.url.replace('http', 'ws')}/ws/conversations/{uuid.uuid4()}/"
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self._cookie}"}
        return websockets.connect(
            address, additional_headers=headers, origin=Origin(self._product.url), compression=None
        )

    async def ask_on(
        self, socket: websockets.ClientConnection, text: str, *, fresh: bool = False
    ) -> tuple[float, dict[str, Any]]:  # Any: an event
        """Milliseconds to the first words, and the event that ended it, whichever that was."""
        with Clock() as clock:
            await socket.send(json.dumps({"type": "ask", "text": text, "project": PROJECT, "fresh": fresh}))
            first = 0.0
            async for message in socket:
                event: dict[str, Any] = json.loads(message)  # Any: an event
                if event["type"] == "text_delta" and not first:
                    first = clock.lap()
                if event["type"] in ENDS:
                    return first, event
        raise ConnectionError("the socket closed before the answer ended")


def session(user: Any) -> str:  # Any: the product's user
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


async def exact_hit(product: Product, bare_url: str, runs: int) -> dict[str, Spread]:
    from accounts.models import Project
    from accounts.services import create_api_key
    from core.database import in_db

    chat = await in_db(Chat)(product)
    project = await in_db(Project.objects.get)(slug=PROJECT)
    key = await in_db(create_api_key)(user=chat.user, project=project)
    await chat.ask(QUESTION)
    shown: list[float] = []
    async with (
        httpx2.AsyncClient(base_url=bare_url) as bare_client,
        httpx2.AsyncClient(base_url=product.url, headers={"Authorization": f"Bearer {key}"}) as api_client,
    ):

        async def bare(run: int) -> float:
            with Clock() as clock:
                (await bare_client.get("/")).raise_for_status()
            return clock.ms

        async def socket(run: int) -> float:
            first, end, event = await chat.ask(QUESTION)
            assert event["cache"]["status"] == "hit-exact", event["cache"]
            if run >= 0:
                shown.append(first)
            return end

        async def api(run: int) -> float:
            with Clock() as clock:
                response = await api_client.post("/api/ask/", json={"project": PROJECT, "question": QUESTION})
            assert response.headers["X-PolyAI-Cache"] == "hit-exact", response.text
            return clock.ms

        spreads = await in_turn(runs, bare, socket, api)
    names = ("bare view", "WebSocket, answer stored", "POST /api/ask/")
    return {**dict(zip(names, spreads, strict=True)), "WebSocket, answer shown": Spread(values=shown)}


async def first_token(product: Product, upstream: Upstream, runs: int) -> tuple[Spread, Spread, dict[str, Spread]]:
    from core.database import in_db

    chat = await in_db(Chat)(product)
    timed: dict[str, list[float]] = {}
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="sk-x") as client:

        async def direct(run: int) -> float:
            with Clock() as clock:
                stream = await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": f"Question {run}?"}], stream=True
                )
                async for chunk in stream:
                    if chunk.choices and chunk.choices[0].delta.content:
                        break
            await stream.close()
            return clock.ms

        async def ours(run: int) -> float:
            # A question of its own each time: neither its answer nor its vector is known.
            first, _, event = await chat.ask(f"How does rule number {run} of the cache treat entry {uuid.uuid4()}?")
            assert event["cache"]["status"] == "miss", event["cache"]
            if run >= 0:
                for stage in event["stages"]:
                    timed.setdefault(stage["stage"], []).append(stage["milliseconds"])
            return first

        direct_spread, ours_spread = await in_turn(runs, direct, ours)
    before = ("start", "history", "exact cache", "embed", "retrieve", "first token")
    return direct_spread, ours_spread, {s: Spread(values=timed[s]) for s in before if s in timed}
