"""A web site for tests: a real HTTP server whose pages, headers and moods are set, and which remembers its visitors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a path answers. `drip`: seconds before each byte; `cut`: bytes after which the connection breaks."""

    body: bytes = b""
    status: int = 200
    type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    cut: int | None = None
    etag: str = ""


@dataclass(frozen=True, kw_only=True)
class Visit:
    path: str
    headers: dict[str, str]


class Site:
    def __init__(self, host: str = "127.0.0.1", tls: SSLContext | None = None) -> None:
        site = self
        self.pages: dict[str, Page] = {}
        self.history: list[Visit] = []
        self.is_down = False
        self._closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.history.append(Visit(path=self.path, headers=dict(self.headers)))
                self.close_connection = True
                page = site.pages.get(self.path, Page(status=404, body=b"gone"))
                if site.is_down:
                    page = Page(status=503)
                if page.etag and self.headers.get("If-None-Match") == page.etag:
                    page = Page(status=304, etag=page.etag)
                self.send_response(page.status)
                own = {"Content-Type": page.type, "Content-Length": str(len(page.body))}
                own |= {"ETag": page.etag} if page.etag else {}
                for name, value in {**own, **page.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if page.status != 304:
                    self._send(page)

            def _send(self, page: Page) -> None:
                blocks: Iterable[bytes] = [page.body[: page.cut]]
                if page.drip:
                    blocks = (page.body[i : i + 1] for i in range(len(page.body)))
                for block in blocks:
                    if site._closing.wait(page.drip):
                        return
                    try:
                        self.wfile.write(block)
                    except OSError:  # the visitor has left
                        return

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A visitor who hangs up is no error."""

        self._server = Server((host, 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def visited(self) -> list[str]:
        return [visit.path for visit in self.history]

    def add(self, path: str, body: bytes | str = b"", **fields: object) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.pages[path] = Page(body=content, **fields)  # type: ignore[arg-type]  # a test's shorthand

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def links(*paths: str, title: str = "Links", text: str = "") -> str:
    """A page that links to these paths."""
    body = "".join(f'<li><a href="{path}">{path}</a></li>' for path in paths)
    return f"<html><head><title>{title}</title></head><body><p>{text or title}</p><ul>{body}</ul></body></html>"


def wait_for(check: object, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
