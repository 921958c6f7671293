"""What one question asks of the caches and of the model, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from accounts.types import Actor
from caching import canonical
from caching.types import Policy, Scope, Turn
from chat.prompts import VERSION
from chat.routing import has_content, is_shareable, search_text
from chat.types import EVERYTHING, Begun, Question, TurnStart
from knowledge.types import Filters
from providers.registry import get_reranker
from providers.types import ChatModel, Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """A question with what bears on it, within its walls. Its keys are hexadecimal SHA-256."""

    actor: Actor
    project_id: UUID
    corpus_version: int  # read before anything that it vouches for
    policy: Policy
    text: str
    search_text: str
    history: tuple[Turn, ...]
    model: ChatModel
    embedder: Embedder
    scope_key: str
    request_key: str
    question_key: str
    is_shareable: bool  # may be matched by its meaning
    may_read: bool
    may_write: bool
    threshold: float | None
    filters: Filters = EVERYTHING
    begun: Begun | None = None  # what the answer begins with, and its sources


def inquire(
    question: Question, start: TurnStart, history: Sequence[Turn], model: ChatModel, embedder: Embedder
) -> Inquiry:
    """The inquiry of a question that follows `history`, as far as that bears on it."""
    policy = start.policy
    has_layer = policy.ttl > 0 and (policy.uses_exact or policy.uses_semantic)
    is_cached = has_layer and (bool(history) or has_content(question.text, least=1))
    scope = scope_of(start.project_id, model, embedder)
    restriction = asdict(question.filters) if question.filters != EVERYTHING else {}
    return Inquiry(
        actor=question.actor,
        project_id=start.project_id,
        corpus_version=start.corpus_version,
        policy=policy,
        text=question.text,
        search_text=canonical.canonical_text(search_text(question.text, history)),
        history=tuple(history),
        model=model,
        embedder=embedder,
        scope_key=canonical.scope_key(scope),
        request_key=canonical.request_key(scope, question.text, history, _plain(restriction)),
        question_key=canonical.question_key(question.text),
        # What was asked of some documents only is matched word by word: a curator's answer, or one to the same
        # question in other words, stands on others.
        is_shareable=not restriction and is_shareable(question.text, history),
        may_read=is_cached and not question.passes_cache_by,
        may_write=is_cached and not question.no_store and start.begun is None,
        threshold=question.threshold,
        filters=question.filters,
        begun=start.begun,
    )


def _plain(restriction: Mapping[str, object]) -> dict[str, object]:
    """Filters as JSON, for a key: what is not set is left out, and the order of what is makes no difference."""
    return {
        name: sorted(map(str, value)) if isinstance(value, tuple) else value if isinstance(value, dict) else str(value)
        for name, value in restriction.items()
        if value
    }


def scope_of(project_id: UUID, model: ChatModel, embedder: Embedder) -> Scope:
    """The walls around what this model answers in this project."""
    reranker = get_reranker()  # another ranking shows the model other passages
    return Scope(
        project_id=project_id,
        model=model.identity,
        prompt_version=VERSION,
        embedding=" ".join([embedder.identity, *([reranker.identity] if reranker else [])]),
        language="",
    )
