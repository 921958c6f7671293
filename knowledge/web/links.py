"""What a crawler reads in a page: its links, its own address, and whether it wants to be kept."""

from __future__ import annotations

import mimetypes
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import InvalidInput
from knowledge.web.addresses import canonical

if TYPE_CHECKING:
    from bs4 import Tag

MAX_BYTES = 2 * 1024 * 1024  # of a page that are searched for links
MAX_LINKS = 2_000  # of one page
_PAGES = (".html", ".htm", ".xhtml", ".php", ".asp", ".aspx", ".jsp", ".cgi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """`links` in their order and once each; `canonical` is empty where the page names none."""

    links: tuple[str, ...]
    canonical: str
    is_indexable: bool


def read_outline(html: bytes, url: str) -> Outline:
    """`url` is the address that the page was found at."""
    from bs4 import BeautifulSoup  # here, for the web process has no use for it
    from bs4.filter import SoupStrainer

    wanted = SoupStrainer(["a", "base", "link", "meta"])
    tags = BeautifulSoup(html[:MAX_BYTES], "lxml", parse_only=wanted)
    base = next((found for tag in tags("base", href=True) if (found := _address(tag, url))), url)
    robots = " ".join(str(tag.get("content", "")) for tag in tags("meta") if _is_robots(tag)).lower()
    links: dict[str, None] = {}
    for tag in tags("a", href=True):
        if len(links) >= MAX_LINKS or "nofollow" in robots:
            break
        if "nofollow" not in (tag.get("rel") or []) and (found := _address(tag, base)):
            links[found] = None
    own = next((_address(tag, base) for tag in tags("link", href=True) if "canonical" in (tag.get("rel") or [])), "")
    return Outline(links=tuple(links), canonical=own, is_indexable="noindex" not in robots)


def may_be_readable(url: str, kinds: Collection[str]) -> bool:
    """False for what the path's own ending says is of no use: pictures, styles, archives."""
    guess, _ = mimetypes.guess_type(urlsplit(url).path)
    ending = "." + urlsplit(url).path.rpartition("/")[2].rpartition(".")[2].lower()
    return guess is None or ending in kinds or ending in _PAGES


def _is_robots(tag: Tag) -> bool:
    return str(tag.get("name", "")).lower() in ("robots", "polyai")


def _address(tag: Tag, base: str) -> str:
    """A tag's address in its one spelling; empty for what is none, such as `mailto:`."""
    try:
        return canonical(str(tag["href"]), base)
    except InvalidInput:
        return ""
