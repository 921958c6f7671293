"""Markdown to safe HTML, whole or as it streams.

Model output is untrusted: raw HTML is shown as text, the result is sanitised (nh3), and a citation becomes
a link only where its source exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import nh3
from django.utils.translation import get_language

from chat import formulas
from chat.markdown import Env, block_starts, last_part, markdown
from chat.unfinished import settled

_TAGS = {
    *("p", "br", "hr", "em", "strong", "del", "s", "sup", "sub", "blockquote", "div", "span", "a", "input", "button"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "pre", "code", "section"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *formulas.TAGS,
}
_ATTRIBUTES = {
    "a": {"href", "title", "class", "id", "data-source", "aria-label"},
    "span": {"class"},
    **{tag: {"dir"} for tag in ("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote")},
    "div": {"class", "tabindex", "role", "aria-label", "dir"},
    "code": {"class"},
    "pre": {"class", "tabindex", "role", "aria-label"},
    "li": {"class", "id"},
    "ul": {"class", "dir"},
    "input": {"type", "checked", "disabled", "class", "aria-label"},
    "button": {"type", "class", "data-copy-code"},
    "ol": {"start", "class", "dir"},
    "th": {"class"},
    "td": {"class"},
    "section": {"class"},
    "sup": {"class"},
    **{tag: set(formulas.ATTRIBUTES) for tag in formulas.TAGS},
}
_CLEANER = nh3.Cleaner(  # made once: making it takes as long as cleaning 20,000 characters
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)
_NOTE = re.compile(r"^ {0,3}\[\^([^\]\s]{1,80})\]:[ \t]*", re.MULTILINE)
SOON = 2000  # characters of a block that is rendered anew with each piece; a longer one more seldom …
SELDOM = 16_000  # … until this, which takes 50 ms: then it is cut, or rendered whenever it has doubled if it cannot be


def render(text: str, sources: int = 0, answer_id: str = "") -> str:
    """Safe HTML of a whole Markdown text; `[n]` links to `#source-<answer_id>-<n>` for 1 <= n <= sources."""
    return _html(text, {"sources": sources, "answer_id": answer_id})


def render_passage(text: str) -> str:
    """Safe HTML of a passage. The same passages are shown again and again: five of them take 1.5 ms to render."""
    return _passage(text, get_language())


@lru_cache(maxsize=2048)
def _passage(text: str, _language: str | None) -> str:
    return render(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Blocks (paragraphs, lists …) that replace those from number `start` on."""

    start: int
    blocks: tuple[str, ...]


class StreamRenderer:
    """Renders a growing text block by block. A block is final, and never changes, when the first line of another
    stands after it: each step parses what is not final only. Of that, what is open at its end is shown closed.

    The longer a block grows, the more seldom it is rendered, and a list or table that grows without end goes on in
    another, until the end puts them together: a step takes a bounded time, all of them together one that grows with the
    length of the text, not with its square.
    """

    def __init__(self, sources: int = 0, answer_id: str = "") -> None:
        self.sources, self.answer_id = sources, answer_id
        self._fed: list[str] = []
        self._blocks: list[str] = []  # those that are final
        self._count = 0  # blocks that are shown
        self._tail = ""  # what is not final yet, when it was last rendered
        self._new: list[str] = []  # what came after that
        self._waiting = 0  # characters of it
        self._is_cut = False  # a block stands there in pieces
        self._references: dict[str, Any] = {}  # Any: the parser's own
        self._notes: dict[str, int] = {}  # footnotes by label, numbered in the order of their appearance

    @property
    def text(self) -> str:
        """All that was fed."""
        return "".join(self._fed)

    @property
    def unsettled(self) -> int:
        """Characters that the next step may have to render."""
        return len(self._tail) + self._waiting

    def feed(self, text: str) -> Rendered:
        self._fed.append(text)
        self._new.append(text)
        self._waiting += len(text)
        if self._waiting < self._patience():
            return Rendered(start=self._count, blocks=())
        self._take()
        start = len(self._blocks)
        self._settle()
        shown = settled(self._tail)
        last = (self._render(shown, is_open=True),) if shown.strip() else ()
        self._count = len(self._blocks) + len(last)
        return Rendered(start=start, blocks=(*self._blocks[start:], *last))

    def finish(self, text: str) -> str:
        """HTML of the finished text: what was rendered already, unless the text was changed at the end or says
        below what something above it means."""
        if text != self.text:
            return render(text, self.sources, self.answer_id)
        self._take(is_end=True)
        last = self._render(self._tail)
        if self._references or self._is_cut or "[^" in text:
            return render(text, self.sources, self.answer_id)
        return "".join(self._blocks) + last

    def _patience(self) -> int:
        """The characters that must have come before the tail is rendered again."""
        size = len(self._tail)
        if size <= SOON:
            return 0
        return size if size > SELDOM else size // (8 if self._is_cut else 32)

    def _take(self, *, is_end: bool = False) -> None:
        """Put what is new to the tail; a carriage return waits for the newline that may follow it."""
        new = "".join(self._new)
        held = "\r" if new.endswith("\r") and not is_end else ""
        self._tail += new.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n")
        self._new = [held]
        self._waiting = 0

    def _settle(self) -> None:
        """Render those blocks for good that nothing can change any more, and keep the last."""
        ready = self._tail[: self._tail.rfind("\n") + 1]  # a line may become anything until it ends
        starts = block_starts(ready)
        lines = self._tail.split("\n")
        if len(starts) < 2 or starts[-1] == 0:
            if len(self._tail) > SELDOM and (part := last_part(ready)) is not None:
                line, head = part
                self._blocks.append(self._render("\n".join(lines[:line]) + "\n"))
                self._tail = "\n".join([*(lines[number] for number in head), *lines[line:]])
                self._is_cut = True
            return
        # What comes before the first block belongs to it: definitions make no block of their own.
        for begin, end in pairwise([0, *starts[1:]]):
            self._blocks.append(self._render("\n".join(lines[begin:end]) + "\n"))
        self._tail = "\n".join(lines[starts[-1] :])

    def _render(self, text: str, *, is_open: bool = False) -> str:
        is_note = _NOTE.match(text.lstrip("\n")) is not None
        if is_note:  # shown where it is written; at the end all of them stand below the text
            text = _NOTE.sub(lambda note: f"{self._notes.setdefault(note[1], len(self._notes) + 1)}. ", text)
        env: Env = {
            "sources": self.sources,
            "answer_id": self.answer_id,
            "notes": self._notes,
            "references": {} if is_open else self._references,
            "is_open": is_open,
        }
        html = _html(text, env)
        return f'<section class="footnotes">{html}</section>' if is_note else html


def _html(text: str, env: Env) -> str:
    return _CLEANER.clean(markdown().render(text, env))
