"""A text's blocks: headings, paragraphs, lists, tables and code, found line by line in one pass.

As CommonMark and GitHub's tables have them (spec.commonmark.org, github.github.com/gfm), as far as it
matters where a text may be cut; a full parser takes quadratic time on what is not meant to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["heading", "prose", "list", "table", "code"]
TITLE_LENGTH = 200
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,9}[.)])[ \t]")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FRONT_MATTER = re.compile(r"---\n(?=[\w-]+:)(?:[^\n]*\n){0,60}?---[ \t]*(?:\n|$)")
_CLOSING_MARKS = re.compile(r"(?:^|[ \t])#+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Offsets in the text. `head`: the end of what has to stand first, a table's header rows or a fence's opening
    line; equal to `start` elsewhere. `level` and `title` are a heading's."""

    kind: Kind
    start: int
    end: int
    head: int
    level: int = 0
    title: str = ""


def list_blocks(text: str, *, is_markdown: bool) -> Iterator[Block]:
    """The blocks in their order; only white space lies between them. Plain text has paragraphs and nothing else."""
    if is_markdown:
        return _markdown(text)
    return _paragraphs(text)


def is_rule(line: str) -> bool:
    """Whether a line is the one under a Markdown table's header."""
    line = line.strip()
    return "|" in line and "-" in line and all(_is_dashes(cell) for cell in line.strip("|").split("|"))


def _is_dashes(cell: str) -> bool:
    cell = cell.strip()
    return bool(cell) and not cell.removeprefix(":").removesuffix(":").strip("-") and "-" in cell


def _lines(text: str, start: int = 0) -> Iterator[tuple[int, int]]:
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _paragraphs(text: str) -> Iterator[Block]:
    begin = None
    for start, end in _lines(text):
        if text[start:end].isspace():
            if begin is not None:
                yield Block(kind="prose", start=begin, end=start, head=begin)
            begin = None
        elif begin is None:
            begin = start
    if begin is not None:
        yield Block(kind="prose", start=begin, end=len(text), head=begin)


def _markdown(text: str) -> Iterator[Block]:
    start = 0
    front = _FRONT_MATTER.match(text)
    if front:
        start = front.end()
        yield Block(kind="prose", start=0, end=start, head=0)
    scan = _Scan(text)
    for begin, end in _lines(text, start):
        yield from scan.read(begin, end)
    yield from scan.close()


class _Scan:
    """The block that is open, and the rules by which a line goes on with it or ends it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: Block | None = None
        self._fence = ""
        self._is_loose = False  # a blank line came since the open list's last line
        self._last = 0  # where the line before begins

    def close(self) -> Iterator[Block]:
        if self._open is not None:
            yield self._open
        self._open, self._fence, self._is_loose = None, "", False

    def read(self, start: int, end: int) -> Iterator[Block]:
        line = self._text[start:end].rstrip("\n")
        if self._fence:
            yield from self._read_code(line, end)
        elif not line or line.isspace():
            if self._open is not None and self._open.kind == "list":
                self._is_loose = True
            else:
                yield from self.close()
        elif found := _FENCE.match(line):
            yield from self._begin("code", start, end, head=end)
            self._fence = found[1]
        elif found := _HEADING.match(line):
            yield from self.close()
            yield _heading(start, end, len(found[1]), line[found.end() :])
        elif not self._is_underline(line) or self._open is None:
            yield from self._read_text(line, start, end)
        else:
            level = 1 if line.lstrip().startswith("=") else 2
            yield _heading(self._open.start, end, level, self._text[self._open.start : start])
            self._open = None
        self._last = start

    def _read_code(self, line: str, end: int) -> Iterator[Block]:
        assert self._open is not None
        self._open = replace(self._open, end=end)
        mark = line.strip()
        if len(mark) >= len(self._fence) and not mark.strip(self._fence[0]):
            yield from self.close()

    def _is_underline(self, line: str) -> bool:
        """Of a heading: under a paragraph as long as a heading may be. Mails have lines of dashes under longer ones."""
        block = self._open
        is_short = block is not None and block.kind == "prose" and block.end - block.start <= TITLE_LENGTH
        return is_short and bool(_UNDERLINE.match(line))

    def _read_text(self, line: str, start: int, end: int) -> Iterator[Block]:
        block = self._open
        kind = block.kind if block else None
        if block and kind == "prose" and self._is_table(line, start):
            if block.start < self._last:
                yield replace(block, end=self._last, head=block.start)
            self._open = Block(kind="table", start=self._last, end=end, head=end)
        elif block and kind == "table" and "|" in line:
            self._open = replace(block, end=end)
        elif _ITEM.match(line) and kind != "list":
            yield from self._begin("list", start, end)
        elif block and kind == "list" and (not self._is_loose or line[0] in " \t" or _ITEM.match(line)):
            self._open, self._is_loose = replace(block, end=end), False
        elif block and kind == "prose":
            self._open = replace(block, end=end)
        else:
            yield from self._begin("prose", start, end)

    def _is_table(self, line: str, start: int) -> bool:
        if not is_rule(line):
            return False
        header = self._text[self._last : start].strip()
        return "|" in header and header.strip("|").count("|") == line.strip().strip("|").count("|")

    def _begin(self, kind: Kind, start: int, end: int, head: int | None = None) -> Iterator[Block]:
        yield from self.close()
        self._open = Block(kind=kind, start=start, end=end, head=start if head is None else head)


def _heading(start: int, end: int, level: int, title: str) -> Block:
    title = _CLOSING_MARKS.sub("", title.strip()).strip()
    plain = " ".join(title.replace("**", "").replace("`", "").split())[:TITLE_LENGTH]
    return Block(kind="heading", start=start, end=end, head=start, level=level, title=plain)
