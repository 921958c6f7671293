"""A question, and the events that answer it. Only values: no row, request or socket crosses the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from accounts.types import Actor
from caching.types import CachedAnswer, Policy, Source
from core.errors import PolyAIError, ProviderError
from knowledge.types import Filters

EVERYTHING = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Where in its conversation a question is asked, if not after what is shown last.

    `follow`: after this answer. `edit`: in the place of this question. `regenerate`: this question again, with
    another answer. `continue`: the same, and the answer begins with what this one has.
    """

    kind: Literal["follow", "edit", "regenerate", "continue"]
    message_id: UUID

    @property
    def is_again(self) -> bool:
        """Whether the question is one that was asked already."""
        return self.kind in ("regenerate", "continue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`conversation_id` names the conversation to go on with; one that does not exist yet is begun under it.
    `fresh` passes the cache by when reading; the new answer replaces what was there, unless `no_store`.
    `threshold` may tighten the project's similarity threshold. `model` is one of those configured; empty: the first.
    `filters` restrict what is searched. `text` is what was asked already where the `branch` asks it again."""

    actor: Actor
    project: str  # slug
    text: str
    conversation_id: UUID
    fresh: bool = False
    no_store: bool = False
    threshold: float | None = None
    is_kept: bool = True  # else no conversation remembers it
    origin: str = "web"  # a Conversation.Origin
    branch: Branch | None = None
    model: str = ""
    filters: Filters = EVERYTHING

    @property
    def passes_cache_by(self) -> bool:
        """Whoever asks for another answer does not want the same again."""
        return self.fresh or (self.branch is not None and self.branch.is_again)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFacts:
    """Whether and how the cache answered. `age` is in seconds."""

    status: str  # hit-exact, hit-semantic, miss, bypass, coalesced, stale
    similarity: float | None = None  # cosine of the two questions
    age: int | None = None
    question: str | None = None  # the one that the answer was first written for
    entry_id: str | None = None
    probability: float | None = None  # that the two questions are the same, before the project's offset
    error: float | None = None  # upper bound of the probability that the two questions are not the same
    is_approved: bool = False  # a curator stands for the answer


def facts_of(answer: CachedAnswer, entry_id: UUID) -> CacheFacts:
    """What an exact hit tells of itself."""
    age = int((datetime.now(UTC) - answer.created_at).total_seconds())
    return CacheFacts(
        status="hit-exact",
        age=max(0, age),
        question=answer.question,
        entry_id=str(entry_id),
        is_approved=answer.is_approved,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStarted:
    conversation_id: UUID
    question_id: UUID
    answer_id: UUID
    title: str
    question: str
    follows: UUID | None = None  # the answer that the question stands behind


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesFound:
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRestarted:
    """What came of the answer is void: who wrote it is gone, and it comes anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimed:
    stage: str
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCompleted:
    """`text` is the whole answer as it was stored: every number in it has a source."""

    conversation_id: UUID
    answer_id: UUID
    text: str
    sources: tuple[Source, ...]
    model: str
    is_extractive: bool
    cache: CacheFacts
    finish_reason: str  # `stop` for an answer that is whole
    prompt_tokens: int
    completion_tokens: int
    stages: tuple[StageTimed, ...]
    finished_at: datetime
    fault: str = ""  # why no model wrote it, where the documents are quoted instead


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFailed:
    """`text` is what had come before; `answer_id` is None when not even the question could be stored; `retry_after` are
    the seconds after which the model wants to be asked again, where it says so."""

    code: str
    status: int
    message: str
    retryable: bool
    answer_id: UUID | None = None
    text: str = ""
    retry_after: float | None = None

    @classmethod
    def of(cls, error: PolyAIError, answer_id: UUID | None = None, text: str = "") -> AnswerFailed:
        return cls(
            code=error.code,
            status=error.status,
            message=error.message,
            retryable=error.retryable,
            answer_id=answer_id,
            text=text,
            retry_after=error.retry_after if isinstance(error, ProviderError) else None,
        )


Event: TypeAlias = AnswerStarted | SourcesFound | TextDelta | AnswerRestarted | AnswerCompleted | AnswerFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The beginning of an answer that is to be continued, and the sources that its numbers mean."""

    text: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStart:
    """What a turn begins from, read in one go, and the ids that its messages will have."""

    project_id: UUID
    corpus_version: int
    policy: Policy
    conversation_id: UUID
    is_new: bool  # the conversation begins with this turn
    title: str
    tip: UUID | None  # the message that the question follows
    question_id: UUID
    answer_id: UUID
    is_asked: bool = False  # the question is stored already
    text: str = ""  # as it was asked then
    begun: Begun | None = None
    has_attached: bool = False  # files of the asker's stand beside the project's documents

    def settle(self, question: Question) -> Question:
        """What is asked, with what the conversation knows of it."""
        attached_to = self.conversation_id if self.has_attached else None
        filters = replace(question.filters, attached_to=attached_to)
        return replace(question, text=self.text or question.text, filters=filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd:
    """How a turn ended, as it is stored."""

    answer_id: UUID
    status: str  # a Message.Status
    text: str
    sources: tuple[Source, ...] = ()
    model: str = ""
    is_extractive: bool = False
    finish_reason: str = ""
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cache: CacheFacts | None = None
    stages: dict[str, float] = field(default_factory=dict)
