"""What is told, stored and counted of a turn: how the cache answered, how it ended, what the ledger learns of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from caching.types import Lookup
from chat.types import CacheFacts, TurnEnd, facts_of

if TYPE_CHECKING:
    from chat.turns import RunningTurn


def cache_facts(turn: RunningTurn) -> CacheFacts:
    """Whether and how the cache answers."""
    match = turn.match
    if match is None:
        return CacheFacts(status=turn.status)
    facts = facts_of(match.answer, match.entry_id)
    return replace(
        facts,
        status=turn.status,
        similarity=match.similarity,
        probability=match.probability,
        error=match.error,
    )


def end_of(turn: RunningTurn, status: str, text: str, error: str, cache: CacheFacts | None) -> TurnEnd:
    """What is stored of a turn when it ends."""
    completion = turn.completion
    return TurnEnd(
        answer_id=turn.start.answer_id,
        status=status,
        text=text,
        sources=turn.sources,
        model=completion.model,
        is_extractive=turn.model.is_extractive,
        finish_reason=completion.finish_reason,
        error=error,
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
        cache=cache,
        stages=dict(turn.stages),
    )


def lookup_of(turn: RunningTurn) -> Lookup:
    """What the ledger learns of a turn that is complete."""
    match, found, usage = turn.match, turn.found, turn.completion.usage
    avoided = match.answer if match else None
    return Lookup(
        id=turn.start.answer_id,
        project_id=turn.start.project_id,
        asked_at=datetime.now(UTC),
        status=turn.status,
        question=turn.question.text,
        question_key=turn.inquiry.question_key,
        is_standalone=turn.inquiry.is_shareable,
        milliseconds=round(turn.first_words or 0.0, 2),
        entry_id=match.entry_id if match else None,
        similarity=found.similarity,
        probability=found.probability,
        veto="" if match else found.veto,
        model=turn.completion.model,
        prompt_tokens=avoided.prompt_tokens if avoided else usage.prompt_tokens,
        completion_tokens=avoided.completion_tokens if avoided else usage.completion_tokens,
        embedded_tokens=len(turn.inquiry.search_text) // 4 if "embed" in turn.stages else 0,
        opinion_tokens=found.opinion_tokens,
        opinion_model=turn.model.name if found.opinion_tokens else "",
        faults=tuple(sorted(turn.faults)),
    )
