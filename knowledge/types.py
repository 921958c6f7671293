"""Values of the way from a file to a passage."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:  # parsers use these values where there is no Django
    from knowledge.models import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of parsed text: a page of a PDF, a sheet, a slide, or the whole of a file without any of these."""

    text: str
    page: int | None = None
    label: str = ""
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader got out of a file. `notes` is for people: what could not be read of it, and why. `title` is
    what the file says it is called: a PDF's or a web page's title, empty where it says nothing."""

    parts: tuple[Part, ...]
    notes: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A chunk before it is stored. `start` and `end` are character offsets in its part, `part` its number from 0.

    `context` is what has to be read above the text: the header of a table that was cut, the line that introduces
    a list. `tokens` counts the text and the context. `title` is the document's own, beside its file name.
    """

    text: str
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int
    label: str = ""
    part: int = 0
    context: str = ""
    tokens: int = 0
    title: str = ""

    @property
    def content_hash(self) -> str:
        """SHA-256 of what is shown: a row under another header says something else."""
        return hashlib.sha256(
            f"{self.context}\n{self.text}".encode() if self.context else self.text.encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How a document is cut: the tokens of its chunks in reading order, and the first of the chunks themselves."""

    tokens: tuple[int, ...]
    first: tuple[Piece, ...]

    @property
    def chunks(self) -> int:
        return len(self.tokens)

    @property
    def median(self) -> int:
        return round(statistics.median(self.tokens)) if self.tokens else 0

    def shares(self, step: int) -> list[int]:
        """How many chunks have up to `step` tokens, up to twice as many, and so on."""
        counts = [0] * (max(self.tokens, default=0) // step + 1)
        for tokens in self.tokens:
            counts[(max(tokens, 1) - 1) // step] += 1
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkingPreview:
    """A document as it is cut now and as it would be. `unchanged`: chunks of then that are here already."""

    now: Cutting
    then: Cutting
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RechunkEstimate:
    """What cutting a project's documents anew takes, about. `dollars` is None where the price is not known."""

    documents: int
    chunks: int
    tokens: int
    dollars: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """An accepted file. `is_new`: there is something to do for it. `same_as`: names of the project's other documents
    with the same bytes."""

    document: Document
    is_new: bool
    same_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A project's documents in figures: how many in each state, and how much of them is done. Chunks are known of
    documents that have been parsed, bytes of all."""

    counts: Mapping[str, int]
    chunks_embedded: int
    chunks_total: int
    bytes_done: int
    bytes_total: int

    @property
    def documents(self) -> int:
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        return sum(self.counts.get(state, 0) for state in ("queued", "parsing", "embedding"))

    @property
    def finished(self) -> int:
        return self.documents - self.unfinished

    @property
    def percent(self) -> int:
        """Of the bytes, 0 to 100; less than 100 while a document is unfinished."""
        if not self.unfinished:
            return 100
        return min(99, 100 * self.bytes_done // self.bytes_total) if self.bytes_total else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which documents a search looks at; each empty field lets all of them through.

    `tags`: documents with all of these. `kinds`: name endings without the dot. `metadata`: key and value pairs,
    all of which the document's own metadata has; of a tuple, one of its values. `since` and `until` are of the
    document's upload.

    `attached_to` adds to the project's documents what the asker attached to that conversation; the other fields
    choose among both. Without it nothing attached is looked at.
    """

    documents: tuple[UUID, ...] = ()
    tags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    attached_to: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk as a search returned it, or several that follow each other, joined: `chunk_ids` are all of them in
    reading order, `chunk_id` is the best. `similarity` is the cosine to the question, -1 to 1, of the nearest."""

    chunk_id: UUID
    chunk_ids: tuple[UUID, ...]
    content_hash: str
    document_id: UUID
    document: str
    locator: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a search saw of a chunk. Ranks count from 1; None where that side did not have the chunk among its best.

    `lexical` is the BM25 score, `fused` the score of both sides together, `codes` how many identifiers of the
    question it has (more come first), `reranked` the reranker's score. `dropped` says why the chunk is not a passage
    of its own, in words; empty when it is.
    """

    passage: Passage
    dense_rank: int | None
    lexical_rank: int | None
    lexical: float | None
    fused: float
    codes: int = 0
    reranked: float | None = None
    dropped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A search laid open: candidates best first, the passages made of them, the milliseconds of each stage by its
    name, and the words that were looked for."""

    candidates: tuple[Candidate, ...]
    passages: tuple[Passage, ...]
    stages: Mapping[str, float]
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReport:
    """Why a search found a chunk, or did not. Ranks count from 1, None beyond those that are looked at; `position` is
    that of both sides together.

    `reasons` are sentences for people, empty when the chunk is found. `missing` are words of the question that the
    chunk has not.
    """

    passage: Passage
    is_live: bool
    passes_filters: bool
    has_vector: bool
    has_words: bool
    dense_rank: int | None
    lexical_rank: int | None
    position: int | None
    found: tuple[str, ...]
    missing: tuple[str, ...]
    reasons: tuple[str, ...] = ()
