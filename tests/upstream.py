"""A language model for tests and benchmarks: a real HTTP server that speaks OpenAI's protocol, streaming or not.

`enqueue` sets what it says next, `history` holds what it was asked. This is the only stand-in: everything
between it and the answer (SDK, HTTP, parsing) is the real thing.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "test-model"
TITLE_INSTRUCTION = "You name conversations."  # how PolyAI begins when it asks for a title


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to say. `cut_after`: break the connection after so many words; `stall_after`: fall silent there.
    `is_clock`: say the time instead of each word, in seconds since 1970."""

    text: str = "The documents say so [1]."
    status: int = 200
    delay: float = 0.0  # seconds before each word
    first_delay: float = 0.0  # seconds before the first
    cut_after: int | None = None
    stall_after: int | None = None
    finish_reason: str | None = "stop"
    model: str = MODEL
    raw: bytes | None = None  # sent instead of a stream
    is_clock: bool = False
    retry_after: int | None = None  # seconds, of a status that is not 200


@dataclass
class Upstream:
    replies: deque[Reply] = field(default_factory=deque)
    history: list[dict[str, Any]] = field(default_factory=list)
    default: Reply = field(default_factory=Reply)
    naming: Reply = field(default_factory=lambda: Reply(text="A title by the model"))  # when asked for a title
    named: list[dict[str, Any]] = field(default_factory=list)  # those requests, apart: they come when a worker has time

    def __post_init__(self) -> None:
        upstream = self
        self._closing = threading.Event()

        class Handler(_Handler):
            server_upstream = upstream

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # with five, the default, twenty at once wait a second for their connection

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def enqueue(self, text: str | None = None, **fields: Any) -> None:
        self.replies.append(Reply(**fields) if text is None else Reply(text=text, **fields))

    def reset(self) -> None:
        self.replies.clear()
        self.history.clear()
        self.default = Reply()
        self.named.clear()
        self.naming = Reply(text="A title by the model")

    def _next(self, asked: dict[str, Any]) -> Reply:
        if asked.get("messages", [{}])[0].get("content", "").startswith(TITLE_INSTRUCTION):
            self.named.append(asked)
            return self.naming
        self.history.append(asked)
        return self.replies.popleft() if self.replies else self.default

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_upstream: Upstream
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server_upstream._next(asked)
        try:
            if reply.status != 200:
                body = {"error": {"message": "as the test asked", "type": "test", "code": None}}
                self._json(reply.status, body, retry_after=reply.retry_after)
            elif reply.raw is not None:
                self._headers("text/event-stream")
                self.wfile.write(reply.raw)
                self.close_connection = True
            elif asked.get("stream"):
                self._stream(reply)
            else:
                self._complete(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the reader has gone: what a stop looks like from here

    def _stream(self, reply: Reply) -> None:
        self._headers("text/event-stream")
        time.sleep(reply.first_delay)
        words = reply.text.split(" ")
        for place, word in enumerate(words):
            if place == reply.cut_after:
                self.connection.close()
                self.close_connection = True
                return
            if place == reply.stall_after:
                self.server_upstream._closing.wait(60)
                return
            time.sleep(reply.delay)
            word = f"{time.time():.4f}" if reply.is_clock else word
            self._event(reply, {"content": word if place == 0 else f" {word}"})
        if reply.finish_reason:
            self._event(reply, {}, finish_reason=reply.finish_reason)
            self._send({**self._frame(reply), "choices": [], "usage": _usage(words)})
            self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _complete(self, reply: Reply) -> None:
        words = reply.text.split(" ")
        time.sleep(reply.first_delay + reply.delay * len(words))
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
        body = {**self._frame(reply), "object": "chat.completion", "choices": [choice], "usage": _usage(words)}
        self._json(200, body)

    def _frame(self, reply: Reply) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": reply.model}

    def _event(self, reply: Reply, delta: dict[str, str], finish_reason: str | None = None) -> None:
        self._send({**self._frame(reply), "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    def _send(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _headers(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()

    def _json(self, status: int, body: dict[str, Any], *, retry_after: int | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _usage(words: list[str]) -> dict[str, int]:
    return {"prompt_tokens": 100, "completion_tokens": len(words), "total_tokens": 100 + len(words)}
