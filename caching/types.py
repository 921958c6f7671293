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
    also the evidence that the answer was written from. `similarity` is the cosine to the question. `chunk_ids` are
    all that its text was joined from."""

    n: int
    chunk_id: UUID
    content_hash: str
    document_id: UUID
    document: str
    locator: str
    text: str
    similarity: float
    chunk_ids: tuple[UUID, ...] = ()

    @property
    def chunks(self) -> tuple[UUID, ...]:
        return self.chunk_ids or (self.chunk_id,)


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
    is_approved: bool = False  # a curator stands for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation, as the model is shown it."""

    id: UUID
    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a project wants of its caches."""

    ttl: int  # seconds that an answer lives; 0: nothing is cached
    uses_exact: bool
    uses_semantic: bool
    threshold: float  # cosine, 0.5 to 1
    error_bound: float | None  # of one semantic hit, 0.001 to 0.5; instead of the threshold where it is set
    asks_second_opinion: bool
    stale_ttl: int  # seconds after its end for which an answer may serve while every model is down
    epoch: int
    offset: float  # of the verdict's log-odds


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A stored answer that a lookup found, and how near its question is to the asked one."""

    entry_id: UUID
    answer: CachedAnswer
    layer: str  # exact, semantic
    similarity: float | None = None
    probability: float | None = None  # that the two questions are the same, before the project's offset
    error: float | None = None  # the upper bound of the probability that they are not


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the semantic cache has for a question. `doubtful` is a match that only a second opinion can make one;
    the rest tells of the nearest stored question, whether or not it was taken."""

    match: Match | None = None
    doubtful: Match | None = None
    similarity: float | None = None
    probability: float | None = None
    veto: str = ""
    opinion_tokens: int = 0  # that the second opinion took


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question's way through the caches, for the ledger. `status` as `X-PolyAI-Cache` tells it."""

    id: UUID  # of the answer: counted once, however often it is told
    project_id: UUID
    asked_at: datetime
    status: str  # hit-exact, hit-semantic, miss, bypass, coalesced, stale
    question: str
    question_key: str  # SHA-256 of the canonical text
    is_standalone: bool  # the semantic layer may be asked
    milliseconds: float  # until the first words
    entry_id: UUID | None = None
    similarity: float | None = None  # of the nearest stored question, also of one that was not served
    probability: float | None = None
    veto: str = ""  # why the nearest was refused, if it was
    model: str = ""  # that wrote the answer, now or then
    prompt_tokens: int = 0  # of the answer, spent now or avoided by the hit
    completion_tokens: int = 0
    embedded_tokens: int = 0  # about, what the embedder was sent for this lookup
    opinion_tokens: int = 0  # spent on a second opinion: prompt and completion
    opinion_model: str = ""  # that gave it; not always the one that wrote the answer
    faults: tuple[str, ...] = ()  # parts that failed on the way, such as redis, embedder, semantic
