"""What goes into the caches and comes out, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The walls of a cached answer: nothing is ever served across one of them."""

    project_id: UUID
    model: str  # as configured; with a cascade, all of it in order
    prompt_version: str
    embedding: str  # the embedder's identity
    language: str  # of the interface, where the prompt depends on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A numbered passage under an answer, as `[n]` in its text cites it; with the hash of its text it is
    also the evidence that the answer was written from. `similarity` is the cosine to the question."""

    n: int
    chunk_id: UUID
    content_hash: str
    document_id: UUID
    document: str
    locator: str
    text: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """An answer with everything that is needed to show it again."""

    project_id: UUID
    question: str
    text: str
    sources: tuple[Source, ...]
    model: str  # the one that really answered
    prompt_tokens: int
    completion_tokens: int
    corpus_version: int  # read before the passages were
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation, as the model is shown it."""

    id: UUID
    role: str
    content: str
