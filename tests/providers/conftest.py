"""An endpoint that can fail in every way a network can: a real HTTP server whose every byte is the test's."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest

SECRET = "internal detail of a stranger"
ERROR = {"error": {"message": SECRET, "type": "x", "code": None}}


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One answer, byte by byte, and how it ends.

    whole: as HTTP asks; cut: the connection is closed before the body's end; reset: it is torn;
    silent: nothing more is said until the client goes. Without a status not even the head is sent.
    """

    body: bytes = b""
    status: int | None = 200
    kind: str = "text/event-stream"
    ending: Literal["whole", "cut", "reset", "silent"] = "whole"
    headers: Mapping[str, str] = field(default_factory=dict)
    piece: int = 1_000_000  # bytes that are sent at once


def as_json(body: object, status: int = 200) -> Wire:
    return Wire(body=json.dumps(body).encode(), kind="application/json", status=status)


def as_events(*events: object, ending: Literal["whole", "cut", "reset", "silent"] = "whole") -> Wire:
    return Wire(body=b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events), ending=ending)


@dataclass
class Endpoint:
    answer: Callable[[dict[str, Any]], Wire] = lambda asked: Wire()  # Any: what was posted
    history: list[dict[str, Any]] = field(default_factory=list)  # Any: as above
    client_has_gone: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def says(self, wire: Wire) -> None:
        self.answer = lambda asked: wire

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Endpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.history.append(asked)
        wire = self.owner.answer(asked)
        self.close_connection = True
        if wire.status is not None:
            self._answer(wire, wire.status)
        if wire.ending == "reset":
            time.sleep(0.05)  # what was sent must have been read: a torn connection loses it
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif wire.ending == "silent":
            self.connection.settimeout(10)
            if self.connection.recv(1) == b"":
                self.owner.client_has_gone.set()

    def _answer(self, wire: Wire, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", wire.kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        for name, value in wire.headers.items():
            self.send_header(name, value)
        self.send_header("x-should-retry", "false")  # the SDK's own switch: a failure is shown at once
        self.end_headers()
        for start in range(0, len(wire.body), wire.piece):
            piece = wire.body[start : start + wire.piece]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if wire.ending == "whole":
            self.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def endpoint() -> Generator[Endpoint, None, None]:
    server = Endpoint()
    yield server
    server.close()


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"
