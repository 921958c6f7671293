"""An embedder for tests: a real HTTP server that speaks OpenAI's `/v1/embeddings`, beside tests/upstream.py.

`history` holds the texts of each request, `fail` sets how the next ones are refused, and `meanwhile` is called
while a request is waited for: what happens then happens in the middle of an ingestion.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from core.database import release
from providers.types import Vector

MODEL = "test-embedder"
DIMENSIONS = 8


def vector_of(text: str, dimensions: int = DIMENSIONS) -> Vector:
    """A text's vector: the same for the same text, of length 1."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


@dataclass
class EmbedderServer:
    history: list[list[str]] = field(default_factory=list)
    failures: deque[int] = field(default_factory=deque)
    retry_after: str = ""  # a header of every failure
    meanwhile: Callable[[], object] | None = None
    problem: Exception | None = None  # that `meanwhile` raised
    dimensions: int = DIMENSIONS

    def __post_init__(self) -> None:
        embedder = self

        class Handler(_Handler):
            server_embedder = embedder

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def texts(self) -> list[str]:
        """Every text that was asked for, in order."""
        return [text for request in self.history for text in request]

    def fail(self, *statuses: int) -> None:
        self.failures.extend(statuses)

    def reset(self) -> None:
        self.history.clear()
        self.failures.clear()
        self.retry_after = ""
        self.meanwhile = self.problem = None
        self.dimensions = DIMENSIONS

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, texts: list[str], dimensions: int = 0) -> tuple[int, dict[str, object]]:
        self.history.append(texts)
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            try:
                meanwhile()
            except Exception as problem:
                self.problem = problem
            finally:
                release()
        if self.failures:
            return self.failures.popleft(), {"error": {"message": "as the test asked", "type": "test", "code": None}}
        vectors = [
            base64.b64encode(vector_of(text, dimensions or self.dimensions).tobytes()).decode() for text in texts
        ]
        rows = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        return 200, {"object": "list", "model": MODEL, "data": rows, "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    server_embedder: EmbedderServer

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server_embedder.answer(asked["input"], asked.get("dimensions", 0))
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status != 200 and self.server_embedder.retry_after:
            self.send_header("Retry-After", self.server_embedder.retry_after)
        self.send_header("X-Should-Retry", "false")  # the SDK would try again by itself, and wait before
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
