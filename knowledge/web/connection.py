"""The network as a fetch may see it: public addresses only, within a time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import httpcore2
from django.utils.translation import gettext as _

from core.errors import FetchTimeout, FetchUnreachable
from knowledge.web.addresses import check_address, check_port

MAX_ADDRESSES = 8  # of one name that are tried
_lookups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lookup")


class Deadline:
    """The moment by which all of a fetch has to be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._seconds = seconds

    def left(self) -> float:
        """Seconds that remain. Raises FetchTimeout when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> FetchTimeout:
        return FetchTimeout(
            _("The web server took longer than %(seconds)s seconds.") % {"seconds": f"{self._seconds:g}"}
        )


class PublicNetwork(httpcore2.NetworkBackend):
    """Resolves a name once, checks every address it has, and connects to one of those very addresses.

    The name is not looked up again, so one that changes its answer in between gains nothing. TLS and the Host header
    keep the name: httpcore takes them from the request.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # Any: httpcore's own union of option tuples
    ) -> httpcore2.NetworkStream:
        check_port(port)
        addresses = _resolve(host, port, self._deadline)
        for address in addresses:
            check_address(host, address)
        failure: Exception | None = None
        for address in addresses[:MAX_ADDRESSES]:
            try:
                stream = self._sockets.connect_tcp(address, port, timeout=self._deadline.left())
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return TimedStream(stream, self._deadline)
        raise FetchUnreachable(
            _("%(host)s cannot be reached. Check the address, or try again later.") % {"host": host}
        ) from failure

    def connect_unix_socket(self, *args: object, **kwargs: object) -> httpcore2.NetworkStream:
        raise NotImplementedError("the web has no sockets of this machine")


class TimedStream(httpcore2.NetworkStream):
    """A connection whose every step is given what remains of the whole time: dripping bytes do not renew it."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:  # Any: httpcore's signature
        return self._stream.get_extra_info(info)


@cache
def tls_context() -> ssl.SSLContext:
    """The system's authorities, or those that SSL_CERT_FILE names; made once, for it takes 20 ms."""
    return httpcore2.default_ssl_context()


def _resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    """All addresses of a host. Raises FetchUnreachable, FetchTimeout."""
    lookup = _lookups.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)  # has no timeout of its own
    try:
        found = lookup.result(timeout=deadline.left())
    except TimeoutError as error:
        raise deadline.error() from error
    except (OSError, UnicodeError) as error:
        raise FetchUnreachable(_("There is no host '%(host)s'. Check the address.") % {"host": host}) from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))
