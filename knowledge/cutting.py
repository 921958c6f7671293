"""Where a block that is too large is cut: at the largest boundary of its kind that makes stretches small enough."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise

from knowledge.blocks import Block
from knowledge.tokens import Ruler

Span = tuple[int, int]
Cuts = Callable[[str, int, int], Iterable[int]]

_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")
_LINE_ENDS = re.compile(r"\n")
_CELLS = re.compile(r"(?<!\\)\|")
# Not before a small letter ("e.g. this"); Chinese and Japanese set no space after a sentence.
_SENTENCES = re.compile(r"""[.!?…؟।]["'”’»)\]]*\s++(?![a-zà-ÿ])|[。！？；][」』”’）】]*+""")
_ITEMS = re.compile(r"^([ \t]*)(?:[-*+•]|\d{1,9}[.)])[ \t]", re.MULTILINE)
_STAMPED = re.compile(r"\s*(?:\d|[\[<({|]|[^\W\d][^\n:]{0,40}:\s)")
BLANKS = re.compile(r"\s+")
SAMPLE = 200  # lines, by which a paragraph is taken for a log


def _after(boundary: re.Pattern[str]) -> Cuts:
    return lambda text, start, end: (found.end() for found in boundary.finditer(text, start, end))


def _outer_items(text: str, start: int, end: int) -> Iterable[int]:
    items = [(len(found[1].expandtabs(4)), found.start()) for found in _ITEMS.finditer(text, start, end)]
    least = min((indent for indent, _ in items), default=0)
    return [at for indent, at in items if indent <= least + 1]


def _items(text: str, start: int, end: int) -> Iterable[int]:
    return (found.start() for found in _ITEMS.finditer(text, start, end))


_PARAGRAPHS, _LINES, _IN_SENTENCES = _after(_BLANK_LINES), _after(_LINE_ENDS), _after(_SENTENCES)
LEVELS: dict[str, tuple[Cuts, ...]] = {
    "heading": (_LINES,),
    "prose": (_IN_SENTENCES, _LINES),
    "log": (_LINES, _IN_SENTENCES),
    "list": (_outer_items, _items, _PARAGRAPHS, _IN_SENTENCES, _LINES),
    "table": (_LINES, _after(_CELLS)),
    "code": (_PARAGRAPHS, _LINES),
}


def kind_of(text: str, block: Block) -> str:
    """The block's kind, or "log": lines that each begin with a time, a number, a mark or a speaker's name."""
    if block.kind != "prose":
        return block.kind
    lines = text[block.start : min(block.end, block.start + 100 * SAMPLE)].split("\n", SAMPLE)[:SAMPLE]
    stamped = sum(bool(_STAMPED.match(line)) for line in lines)
    return "log" if len(lines) > 2 and 2 * stamped > len(lines) else "prose"


def stretches(text: str, ruler: Ruler, block: Block, *, kind: str, limit: int, room: int) -> Iterator[Span]:
    """A block's stretches of at most `limit` tokens, in order and without gaps, the first with all of its head.

    What has no boundary that helps is cut after words, into stretches of at most `room` tokens.
    """
    levels = LEVELS[kind]

    def cut(start: int, end: int, level: int) -> Iterator[Span]:
        if ruler.count(start, end) <= limit:
            yield start, end
        elif level == len(levels):
            yield from _by_words(text, ruler, start, end, room)
        else:
            inside = (at for at in levels[level](text, start, end) if max(start, block.head) < at < end)
            for begin, stop in pairwise(chain([start], inside, [end])):
                yield from cut(begin, stop, level + 1)

    return cut(block.start, block.end, 0)


def _by_words(text: str, ruler: Ruler, start: int, end: int, room: int) -> Iterator[Span]:
    while start < end:
        stop = min(ruler.forward(start, room), end)
        if stop < end:
            stop = last_word(text, start, stop)
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def last_word(text: str, start: int, end: int) -> int:
    """The end of the last white space before `end`, or `end` where the last half has none."""
    ends = [found.end() for found in BLANKS.finditer(text, (start + end) // 2, end)]
    return ends[-1] if ends else end


def sentence_or_word(text: str, start: int, end: int) -> int:
    """The first sentence that begins in a stretch, else the first word, else the stretch's end."""
    for boundary in (_SENTENCES, BLANKS):
        found = boundary.search(text, max(0, start - 1), end)
        if found and start <= found.end() < end:
            return found.end()
    return end
