"""A document as it is read: stretches of its parts' text, as much at once as a browser takes easily.

A screen begins where one of its chunks begins, which is between two paragraphs where the text has any; so a part
of any length can be shown, and a passage is found again by the offsets that its chunk keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from knowledge.models import Chunk, Document, DocumentPart
from knowledge.selectors import list_live_chunks

SHOWN = 60  # chunks; of 220 tokens they are some 50,000 characters
BEFORE_TARGET = 6  # chunks shown before the one that was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Text of one part. `mark` is where in `text` the passage stands that was asked for, None where it does not."""

    text: str
    title: str
    page: int | None
    is_markdown: bool
    mark: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What is shown at once. `first` is the position of its first chunk, `earlier` and `later` of its neighbours'.

    Of a document that was read before parts were kept there are chunks and no stretches. `is_lost`: the passage
    that was asked for is not in the document as it is now.
    """

    stretches: tuple[Stretch, ...]
    chunks: tuple[Chunk, ...]
    count: int
    first: int
    target: Chunk | None
    is_lost: bool
    earlier: int | None
    later: int | None

    @property
    def page(self) -> int | None:
        """The page of the original to show beside it."""
        if self.target is not None and self.target.metadata.get("page"):
            return int(self.target.metadata["page"])
        return next((stretch.page for stretch in self.stretches if stretch.page), None)


def get_screen(document: Document, *, chunk: str = "", start: str = "") -> Screen:
    """The screen around the chunk with an id, or from the chunk at a position on; both as they stand in an address."""
    chunks = list_live_chunks(document)
    count = chunks.count()
    wanted = _id_of(chunk)
    target = chunks.filter(id=wanted).first() if wanted else None
    first = int(start) if start.isdecimal() and len(start) < 10 else 0
    if target is not None:
        first = max(0, target.position - BEFORE_TARGET)
    elif first >= count:
        first = 0
    shown = list(chunks[first : first + SHOWN + 1])
    following = shown.pop() if len(shown) > SHOWN else None
    return Screen(
        stretches=_stretches(document, shown[0] if first else None, following, target),
        chunks=tuple(shown),
        count=count,
        first=first,
        target=target,
        is_lost=bool(chunk) and target is None,
        earlier=max(0, first - SHOWN) if first else None,
        later=following.position if following else None,
    )


def _stretches(document: Document, begin: Chunk | None, end: Chunk | None, target: Chunk | None) -> tuple[Stretch, ...]:
    """The parts' text from the beginning of one chunk to that of another."""
    parts = document.parts.filter(version=document.live_version)
    first, skipped = _place(begin)
    if begin:
        parts = parts.filter(position__gte=first)
    last, kept = _place(end)
    if end:
        parts = parts.filter(position__lte=last)
    found = []
    for part in parts:
        start = skipped if begin and part.position == first else 0
        text = part.text[start : kept if end and part.position == last else len(part.text)]
        if text.strip():
            found.append(_stretch(part, text, start, target))
    return tuple(found)


def _stretch(part: DocumentPart, text: str, start: int, target: Chunk | None) -> Stretch:
    mark = None
    if target is not None and target.metadata.get("part") == part.position:
        begin, end = (max(0, min(target.metadata[name] - start, len(text))) for name in ("start", "end"))
        mark = (begin, end) if begin < end else None
    named = bool(part.label or part.page) and not (start and part.is_markdown)
    return Stretch(text=text, title=str(part) if named else "", page=part.page, is_markdown=part.is_markdown, mark=mark)


def _place(chunk: Chunk | None) -> tuple[int, int]:
    """The number of a chunk's part, and the offset in it. Chunks older than parts have neither."""
    if chunk is None:
        return 0, 0
    return int(chunk.metadata.get("part") or 0), int(chunk.metadata.get("start") or 0)


def _id_of(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None
