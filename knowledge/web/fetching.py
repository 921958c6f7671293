"""One web page or file, fetched without harm to this server, its network or the other side.

Every address on the way, each redirect's too, is checked where the connection is made (connection.py). Nothing is
sent but the request itself: no cookies, no credentials, no proxy of the environment.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

import httpcore2
from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import FetchError, FetchUnreachable, InvalidInput, PageGone, TooLong, UnsupportedFile
from knowledge.web.addresses import canonical
from knowledge.web.connection import Deadline, PublicNetwork, tls_context
from knowledge.web.kinds import kind_of

AGENT = "PolyAI"  # as robots.txt may name it
MAX_REDIRECTS = 5
BLOCK = 1024 * 1024  # bytes unpacked at a time
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What an address holds. `url` is the one that answered, after redirects; `kind` the ending of a file's name.

    When `is_unchanged`, the server said that what we have is current, and `file` is empty.
    """

    url: str
    kind: str
    charset: str
    etag: str
    last_modified: str
    size: int
    content_hash: str
    file: IO[bytes]
    is_unchanged: bool = False


@contextmanager
def fetch(
    url: str, *, kinds: Collection[str] | None = None, etag: str = "", last_modified: str = ""
) -> Iterator[Fetched]:
    """Fetch an address; the file lives until the block ends. `kinds` are the endings that are wanted, None for any.

    Raises InvalidInput, BlockedAddress, TooLong, UnsupportedFile, and FetchError with those below it.
    """
    deadline = Deadline(settings.FETCH_TIMEOUT)
    url = canonical(url)
    headers = {"User-Agent": AGENT, "Accept": "text/html, */*;q=0.8", "Accept-Encoding": "gzip", "Connection": "close"}
    headers |= {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    with tempfile.SpooledTemporaryFile(max_size=BLOCK) as file:
        for _hop in range(MAX_REDIRECTS + 1):
            with _exchange(url, headers, deadline) as response:
                location = _header(response, "Location") if response.status in _REDIRECTS else ""
                if not location:
                    _check_status(response, url)
                    page = _received(response, url, kinds, file)
                    break
            url = _next(location, url)
        else:
            raise FetchError(
                _("The address redirects more than %(max_redirects)s times.") % {"max_redirects": MAX_REDIRECTS}
            )
        yield page


@contextmanager
def _exchange(url: str, headers: dict[str, str], deadline: Deadline) -> Iterator[httpcore2.Response]:
    """One request, its connection closed afterwards. The library's errors get our names here."""
    parts = urlsplit(url)
    # Built from its pieces, so that no second parser may read the address in another way.
    target = httpcore2.URL(
        scheme=parts.scheme,
        host=(parts.hostname or "").encode(),
        port=parts.port,
        target=(parts.path + (f"?{parts.query}" if parts.query else "")).encode(),
    )
    sent = [(name.encode(), value.encode("latin-1", "ignore")) for name, value in headers.items()]
    pool = httpcore2.ConnectionPool(ssl_context=tls_context(), network_backend=PublicNetwork(deadline))
    try:
        with pool, pool.stream("GET", target, headers=[(b"Host", parts.netloc.encode()), *sent]) as response:
            yield response
    except httpcore2.TimeoutException as error:
        raise deadline.error() from error
    except httpcore2.ConnectError as error:
        raise FetchUnreachable(
            _("No secure connection to %(hostname)s could be made.") % {"hostname": parts.hostname}
        ) from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise FetchUnreachable(
            _("%(hostname)s broke the connection off. Try again later.") % {"hostname": parts.hostname}
        ) from error


def _next(location: str, url: str) -> str:
    try:
        return canonical(location, base=url)
    except InvalidInput as error:
        told = _("The address redirects to one that is not fetched. %(reason)s") % {"reason": error.message}
        raise type(error)(told) from error


def _check_status(response: httpcore2.Response, url: str) -> None:
    status = response.status
    host = urlsplit(url).hostname
    if status in (404, 410):
        raise PageGone(_("%(host)s has no such page (%(status)s).") % {"host": host, "status": status})
    if status in (408, 425, 429) or status >= 500:
        raise FetchUnreachable(
            _("%(host)s cannot answer now (%(status)s). Try again later.") % {"host": host, "status": status}
        )
    if status not in (200, 304):
        told = _("%(host)s refused with status %(status)s.")
        if status in (401, 403):
            told = _("%(host)s refused with status %(status)s. The page needs a log-in, or does not let programs in.")
        raise FetchError(told % {"host": host, "status": status})


def _received(response: httpcore2.Response, url: str, kinds: Collection[str] | None, file: IO[bytes]) -> Fetched:
    told = Message()
    told["Content-Type"] = _header(response, "Content-Type") or "application/octet-stream"
    kind = kind_of(told.get_content_type(), urlsplit(url).path)
    is_unchanged = response.status == 304
    if kinds is not None and kind not in kinds and not is_unchanged:
        raise UnsupportedFile(
            _("What is there cannot be read: it is of the type %(kind)s.") % {"kind": told.get_content_type()}
        )
    digest, size = hashlib.sha256(), 0
    for block in () if is_unchanged else _unpacked(response):
        size += len(block)
        _check_size(size)
        digest.update(block)
        file.write(block)
    file.seek(0)
    return Fetched(
        url=url,
        kind=kind,
        charset=told.get_content_charset() or "",
        etag=_header(response, "ETag")[:500],
        last_modified=_header(response, "Last-Modified")[:100],
        size=size,
        content_hash=digest.hexdigest(),
        file=file,
        is_unchanged=is_unchanged,
    )


def _check_size(size: int) -> None:
    if size > settings.MAX_UPLOAD_MB * 1024 * 1024:
        raise TooLong(
            _("The page or file has more than %(max_upload_mb)s MB, the limit here.")
            % {"max_upload_mb": settings.MAX_UPLOAD_MB}
        )


def _unpacked(response: httpcore2.Response) -> Iterator[bytes]:
    """The body without its compression, at most BLOCK bytes at a time whatever the other side packed."""
    length = _header(response, "Content-Length")
    if length.isdecimal() and len(length) < 20:
        _check_size(int(length))
    encoding = _header(response, "Content-Encoding").lower()
    stream = response.iter_stream()
    if encoding in ("", "identity"):
        return iter(stream)
    if encoding in ("gzip", "x-gzip", "deflate"):
        return gunzipped(stream)
    raise FetchError(
        _("The web server sent the page compressed as '%(encoding)s', which was not asked for.")
        % {"encoding": encoding[:20]}
    )


def gunzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Raises FetchError for what is no gzip, or breaks off."""
    unpacker = zlib.decompressobj(wbits=47)  # gzip or zlib, as the first bytes say
    try:
        for packed in blocks:
            while packed and not unpacker.eof:
                yield unpacker.decompress(packed, BLOCK)
                packed = unpacker.unconsumed_tail
    except zlib.error as error:
        raise FetchError(_("The web server sent a page that cannot be unpacked.")) from error
    if not unpacker.eof:
        raise FetchError(_("The web server sent a page that cannot be unpacked: its end is missing."))


def _header(response: httpcore2.Response, name: str) -> str:
    wanted = name.lower().encode()
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == wanted), "")
