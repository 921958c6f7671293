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


class Chat:
    """A logged-in WebSocket, as the chat page has one."""

    def __init__(self, product: Product) -> None:
        from accounts.models import Membership, Project, Role, User

        self._product = product
        self._user = User.objects.filter(email="bench@example.org").first() or User.objects.create_superuser(
            "bench@example.org", uuid.uuid4().hex
        )
        Membership.objects.get_or_create(project=Project.objects.get(slug=PROJECT), user=self._user, role=Role.OWNER)
        self._cookie = _session(self._user)

    async def ask(self, text: str, *, fresh: bool = False) -> tuple[float, float, dict[str, Any]]:  # Any: an event
        """Milliseconds to the first words and to the end, and the event that ended it; a conversation of its own."""
        address = f"{self._product.url.replace('http', 'ws')}/ws/conversations/{uuid.uuid4()}/"
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self._cookie}"}
        async with websockets.connect(
            address, additional_headers=headers, origin=Origin(self._product.url), compression=None
        ) as socket:
            with Clock() as clock:
                ask = {"type": "ask", "text": text, "project": PROJECT, "fresh": fresh}
                await socket.send(json.dumps(ask))
                first = 0.0
                async for message in socket:
                    event = json.loads(message)
                    if event["type"] == "text_delta" and not first:
                        first = clock.lap()
                    if event["type"].startswith("answer_") and event["type"] != "answer_started":
                        break
        assert event["type"] == "answer_completed", event
        return first, clock.ms, event


def _session(user: Any) -> str:  # Any: the product's user
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


async def exact_hit(product: Product, bare_port: int, runs: int) -> dict[str, Spread]:
    from accounts.models import Project
    from accounts.services import create_api_key
    from core.database import in_db

    chat = await in_db(Chat)(product)
    project = await in_db(Project.objects.get)(slug=PROJECT)
    key = await in_db(create_api_key)(user=chat._user, project=project)
    await chat.ask(QUESTION)
    shown: list[float] = []
    async with (
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{bare_port}") as bare_client,
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

        for _ in range(100):  # until the bare server is up
            try:
                await bare(0)
                break
            except httpx2.HTTPError:
                continue
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
