"""Sitemaps (sitemaps.org): the pages that a site lists itself, also through an index and packed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import FetchError, InvalidInput, TooLong
from knowledge.web.addresses import canonical, host_of
from knowledge.web.fetching import BLOCK, fetch, gunzipped
from knowledge.web.robots import Rules, wait_turn

MAX_SITEMAPS = 50  # of one index
_GZIP = b"\x1f\x8b"


def list_addresses(url: str, limit: int, rules: Rules, beat: Callable[[], None]) -> list[str]:
    """At most `limit` addresses of a sitemap's own host, in its order. `beat` is called before each request.

    Raises FetchError for what is no sitemap, besides fetch's own errors.
    """
    found: dict[str, None] = {}
    waiting, nested = [url], 0
    while waiting and len(found) < limit:
        address = waiting.pop(0)
        beat()
        wait_turn(address, rules.pause)
        for is_index, listed in _entries(address):
            if host_of(listed) != host_of(url):
                continue
            if not is_index:
                found[listed] = None
            elif address == url and nested < MAX_SITEMAPS:  # an index in an index is not followed
                waiting.append(listed)
                nested += 1
            if len(found) >= limit:
                break
    return list(found)


def _entries(url: str) -> Iterator[tuple[bool, str]]:
    """Each address of one sitemap, and whether it is of a further sitemap."""
    from lxml import etree  # here, for the web process has no other use for it

    with fetch(url) as page, _opened(page.file) as file:
        try:
            # No entity is expanded, no DTD and nothing from the network is read.
            safe = {"resolve_entities": False, "load_dtd": False, "no_network": True, "huge_tree": False}
            for _event, element in etree.iterparse(file, events=("end",), **safe):
                name = etree.QName(element).localname
                parent = element.getparent()
                if name == "loc" and parent is not None:
                    yield from _one(etree.QName(parent).localname, element.text, url)
                elif name in ("url", "sitemap"):
                    element.clear()
                    while element.getprevious() is not None:  # what was read need not stay in memory
                        del element.getparent()[0]
        except (etree.XMLSyntaxError, ValueError) as error:
            raise FetchError(_("What is there is no sitemap: its XML cannot be read.")) from error


def _one(parent: str, text: str | None, base: str) -> Iterator[tuple[bool, str]]:
    if parent in ("url", "sitemap") and text:
        try:
            yield parent == "sitemap", canonical(text, base)
        except InvalidInput:
            return  # a site may list what it likes


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The XML itself. Raises TooLong for one that unpacks to more than an upload may have."""
    start = file.read(2)
    file.seek(0)
    if start != _GZIP:
        yield file
        return
    with tempfile.SpooledTemporaryFile(max_size=BLOCK) as plain:
        for block in gunzipped(iter(lambda: file.read(64 * 1024), b"")):
            plain.write(block)
            if plain.tell() > settings.MAX_UPLOAD_MB * 1024 * 1024:
                raise TooLong(
                    _("The sitemap has more than %(max_upload_mb)s MB.") % {"max_upload_mb": settings.MAX_UPLOAD_MB}
                )
        plain.seek(0)
        yield plain
