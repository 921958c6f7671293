"""From ranked chunks to passages a person can read: twins collapse, neighbours become one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy

from knowledge.models import Chunk
from knowledge.places import shown_place
from knowledge.types import Passage

LIKENESS = 0.9  # of the two texts' shingles (Jaccard; Broder 1997), from which on they say the same
SHINGLE = 3  # words
LONGEST = 3_000  # characters of a passage of several chunks
TWIN = gettext_lazy("Says the same as a better one, in %(place)s.")
MERGED = gettext_lazy("Part of a better one, its neighbour.")
SURPLUS = gettext_lazy("Not among the best %(limit)s.")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row of the statement."""

    chunk_id: UUID
    content_hash: str
    document_id: UUID
    document: str
    position: int
    version: int
    text: str
    metadata: Mapping[str, Any]  # Any: JSON
    similarity: float
    dense_rank: int | None
    lexical_rank: int | None
    lexical: float | None
    codes: int
    fused: float

    @property
    def locator(self) -> str:
        return Chunk(metadata=self.metadata).locator

    @property
    def shown(self) -> str:
        return Chunk(text=self.text, metadata=self.metadata).shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Passages best first, and for each chunk that is none of them why."""

    passages: list[Passage]
    dropped: dict[UUID, str]


def assemble(ranked: Sequence[Ranked], limit: int) -> Assembly:
    """At most `limit` passages of the best chunks. A text that is there already is left out, and what stands next to
    each other in a document is joined, so that a freed place goes to the next."""
    dropped: dict[UUID, str] = {}
    kept: list[Ranked] = []
    shingles: list[frozenset[tuple[str, ...]]] = []
    for row in ranked:
        own = _shingles(row.text)
        twin = next((k for k, known in zip(kept, shingles, strict=True) if _is_twin(row, own, k, known)), None)
        if twin is not None:
            place = shown_place(twin.locator, twin.document)
            dropped[row.chunk_id] = TWIN % {"place": f"{twin.document} · {place}" if place else twin.document}
            continue
        kept.append(row)
        shingles.append(own)
    groups: list[list[Ranked]] = []
    for row in kept:
        touching = [group for group in groups if _joins(group, row)]
        if touching:
            touching[0].append(row)
            touching[0].sort(key=lambda member: member.position)
            if len(touching) > 1 and _fit(touching[0], touching[1]):  # it was all that stood between them
                touching[0].extend(touching[1])
                touching[0].sort(key=lambda member: member.position)
                groups.remove(touching[1])
        elif len(groups) < limit:
            groups.append([row])
        else:
            break
    passages = [passage_of(group) for group in groups]
    joined = {row.chunk_id for group in groups for row in group}
    surplus = SURPLUS % {"limit": limit}
    dropped |= {row.chunk_id: surplus for row in kept if row.chunk_id not in joined}
    dropped |= dict.fromkeys(joined - {passage.chunk_id for passage in passages}, str(MERGED))
    return Assembly(passages=passages, dropped=dropped)


def passage_of(group: Sequence[Ranked]) -> Passage:
    """One passage of one chunk, or of several that follow each other."""
    best = min(group, key=lambda row: (-row.codes, -row.fused))
    text = group[0].shown
    for before, row in pairwise(group):
        text += _rest(before, row)
    is_joined = len(group) > 1
    return Passage(
        chunk_id=best.chunk_id,
        chunk_ids=tuple(row.chunk_id for row in group),
        content_hash=hashlib.sha256(text.encode()).hexdigest() if is_joined else best.content_hash,
        document_id=best.document_id,
        document=best.document,
        locator=best.locator,
        text=text,
        similarity=round(max(row.similarity for row in group), 4),
    )


def _joins(group: Sequence[Ranked], row: Ranked) -> bool:
    """Whether a chunk stands directly before or after a group, in its section, and still fits."""
    first, last = group[0], group[-1]
    if row.document_id != first.document_id or row.version != first.version:
        return False
    if row.position == last.position + 1:
        before, after = last, row
    elif row.position == first.position - 1:
        before, after = row, first
    else:
        return False
    return _fit(group, [row]) and _is_continued(before, after)


def _fit(group: Sequence[Ranked], more: Sequence[Ranked]) -> bool:
    return sum(len(member.text) for member in [*group, *more]) <= LONGEST


def _is_continued(before: Ranked, after: Ranked) -> bool:
    same = ("part", "heading_path", "label", "page", "context")
    if any(before.metadata.get(key) != after.metadata.get(key) for key in same):
        return False
    overlap = _overlap(before, after)
    # A chunk whose text is not its document's own letters (a table row under its header) has no offsets to join by.
    return overlap is not None and overlap < len(after.text) and before.text.endswith(after.text[:overlap])


def _overlap(before: Ranked, after: Ranked) -> int | None:
    """The characters that the second chunk repeats of the first, 0 where there is but a blank between them."""
    end, start = before.metadata.get("end"), after.metadata.get("start")
    if not isinstance(end, int) or not isinstance(start, int) or start - end > 4:
        return None
    return max(0, end - start)


def _rest(before: Ranked, after: Ranked) -> str:
    overlap = _overlap(before, after) or 0
    is_apart = overlap == 0 and after.metadata["start"] > before.metadata["end"]
    return ("\n" if is_apart else "") + after.text[overlap:]


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return frozenset(tuple(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1)))


def _is_twin(row: Ranked, own: frozenset[tuple[str, ...]], kept: Ranked, known: frozenset[tuple[str, ...]]) -> bool:
    """Whether two chunks say the same. Texts that differ in a figure never do."""
    if row.content_hash == kept.content_hash and row.content_hash:
        return True
    common = len(own & known)
    if common < LIKENESS * (len(own) + len(known) - common):
        return False
    return _figures(own) == _figures(known)


def _figures(shingles: frozenset[tuple[str, ...]]) -> set[str]:
    return {word for shingle in shingles for word in shingle if any(letter.isdigit() for letter in word)}
