"""OpenAI's `/v1/embeddings` over the bundled MiniLM: a process of its own, so that a burst of uploads
cannot slow the web process.

Requests that wait together are embedded together, and two lanes keep a question from waiting behind
an upload: a batch of 16 x 202 tokens takes 870 ms, a question 4 ms.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from channels.generic.http import AsyncHttpConsumer
from channels.routing import URLRouter
from django.urls import path

from core.text import is_storable
from providers.minilm import DIMENSIONS, NAME, MiniLM
from providers.types import Vectors

MAX_INPUTS = 2048  # OpenAI's own limit
SHORT_REQUEST = 2  # texts; a request with more is an upload's
BATCH = 8  # texts; larger batches are no faster on a CPU (54 ms a text at 16, 47 ms alone)


class Lane:
    """One thread, and a queue whose waiting texts go through the model together."""

    def __init__(self, model: MiniLM, *, is_bulk: bool = False) -> None:
        self._model = model
        self._is_bulk = is_bulk
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: list[tuple[str, asyncio.Future[tuple[Vectors, int]]]] = []
        self._running: asyncio.Task[None] | None = None

    async def embed(self, texts: Sequence[str]) -> tuple[Vectors, int]:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in texts]
        self._waiting += zip(texts, futures, strict=True)
        if self._running is None or self._running.done():
            self._running = loop.create_task(self._run())
        done = await asyncio.gather(*futures)
        return np.vstack([vector for vector, _ in done]), sum(tokens for _, tokens in done)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._embed_next()
            if self._is_bulk and not self._waiting:
                # Whoever comes meanwhile finds this task running, and is served by the next round.
                await loop.run_in_executor(self._thread, _give_memory_back)

    async def _embed_next(self) -> None:
        # Texts of a like length side by side: padding is computed in full.
        self._waiting.sort(key=lambda pair: len(pair[0]))
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        texts = [text for text, _ in batch]
        loop = asyncio.get_running_loop()
        try:
            vectors, tokens = await loop.run_in_executor(self._thread, self._model.embed, texts)
        except Exception as error:  # whatever the model raises belongs to those who wait for it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for row, (_, future) in enumerate(batch):
            if not future.done():
                future.set_result((vectors[row : row + 1], tokens[row]))


class BadRequest(Exception):
    pass


class Embeddings(AsyncHttpConsumer):
    channel_layer_alias = "none"  # with one, every request would first subscribe to something in Redis
    lanes: tuple[Lane, Lane]  # set by application()

    async def handle(self, body: bytes) -> None:
        try:
            texts, encoding = self._parse(body)
        except BadRequest as error:
            await self._reply(400, {"error": {"message": str(error), "type": "invalid_request_error"}})
            return
        vectors, tokens = await self.lanes[len(texts) > SHORT_REQUEST].embed(texts)
        data = [{"object": "embedding", "index": i, "embedding": encoding(row)} for i, row in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        await self._reply(200, {"object": "list", "data": data, "model": NAME, "usage": usage})

    def _parse(self, body: bytes) -> tuple[list[str], Any]:  # Any: a function from a row to JSON
        if self.scope["method"] != "POST":
            raise BadRequest("Send a POST request.")
        try:
            asked = json.loads(body)
        except ValueError as error:
            raise BadRequest("The body is not JSON.") from error
        if not isinstance(asked, dict):
            raise BadRequest("The body is not a JSON object.")
        texts = asked.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise BadRequest("'input' must be a text or a list of texts, none of them empty.")
        if not all(map(is_storable, texts)):
            raise BadRequest("'input' must be valid Unicode, without NUL bytes or halves of surrogate pairs.")
        if not 1 <= len(texts) <= MAX_INPUTS:
            raise BadRequest(f"'input' must have 1 to {MAX_INPUTS} texts.")
        if asked.get("model") != NAME:
            raise BadRequest(f"'model' must be '{NAME}'.")
        if asked.get("dimensions", DIMENSIONS) != DIMENSIONS:
            raise BadRequest(f"'dimensions' must be {DIMENSIONS}.")
        return texts, _base64 if asked.get("encoding_format") == "base64" else _numbers

    async def _reply(self, status: int, answer: dict[str, object]) -> None:
        headers = [(b"Content-Type", b"application/json")]
        await self.send_response(status, json.dumps(answer).encode(), headers=headers)


class Health(AsyncHttpConsumer):
    channel_layer_alias = "none"

    async def handle(self, body: bytes) -> None:
        headers = [(b"Content-Type", b"application/json")]
        answer = {"status": "ok", "model": NAME, "dimensions": DIMENSIONS}
        await self.send_response(200, json.dumps(answer).encode(), headers=headers)


def _give_memory_back() -> None:
    """What an upload's batches needed, 70 MB and more, goes back to the system once they are done. The allocator
    can be told to do so all the time (MALLOC_TRIM_THRESHOLD_), but then each batch takes 15 % longer."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _base64(row: Vectors) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _numbers(row: Vectors) -> list[float]:
    return [float(number) for number in row]


def application() -> URLRouter:
    """The ASGI application, with the model loaded."""
    model = MiniLM()
    Embeddings.lanes = (Lane(model), Lane(model, is_bulk=True))
    return URLRouter([path("v1/embeddings", Embeddings.as_asgi()), path("health", Health.as_asgi())])


def serve(host: str = "", port: int = 0) -> None:
    """Serve until a signal ends it: at HOST:PORT, or on the product's unix socket when no port is given."""
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server
    from django.conf import settings

    if port:
        where = build_endpoint_description_strings(host=host, port=port)
    else:
        socket = settings.EMBEDDING_SOCKET
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)  # a killed server leaves its own behind
        where = [f"unix:{socket}:mode=600"]
    Server(application(), endpoints=where).run()


if __name__ == "__main__":
    serve()  # what the local stack runs: without Django's apps, which `manage.py serve_embeddings` loads, 35 MB less
