"""What goes into the caches and comes out, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TypeVar, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


def typed(value: T) -> T:
    """A value that came from outside, if its fields have the types that it declares. Raises TypeError."""
    of: type = type(value)
    for name, kind in _kinds(of):
        if not isinstance(getattr(value, name), kind):
            raise TypeError(f"{type(value).__name__}.{name} is no {kind.__name__}")
    return value


@cache
def _kinds(of: type) -> tuple[tuple[str, type], ...]:
    return tuple((name, get_origin(kind) or kind) for name, kind in get_type_hints(of).items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The walls of a cached answer: nothing is ever served across one of them."""

    project_id: UUID
    model: str  # the identity of the one configured; with a cascade, all of it in order
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
