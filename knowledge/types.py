"""Values of the way from a file to a passage."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of parsed text: a page of a PDF, or the whole of a file without pages."""

    text: str
    page: int | None = None
    is_markdown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A chunk before it is stored. `start` and `end` are character offsets in its part."""

    text: str
    heading_path: tuple[str, ...]
    page: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk as a search returned it. `similarity` is the cosine to the question, -1 to 1."""

    chunk_id: UUID
    content_hash: str
    document_id: UUID
    document: str
    locator: str
    text: str
    similarity: float
