"""Writes of conversations. A turn is stored before a model is asked, and once more when it ends."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from caching import history
from caching.entries import rows_of
from caching.judgements import judge
from caching.models import Judgement
from chat.models import Conversation, Message
from chat.types import Question, TurnEnd, TurnStart
from chat.words import index_messages, store_words
from core.errors import InvalidInput

SAVE_EVERY = 3.0  # seconds: what a killed server loses of an answer at most
ABANDONED_AFTER = timedelta(seconds=20)  # without a sign of life


def store_turn(question: Question, start: TurnStart, end: TurnEnd | None = None) -> None:
    """Store a question with its answer: still empty and being written, or as it has already ended."""
    now = timezone.now()
    asked = Message(
        id=start.question_id,
        conversation_id=start.conversation_id,
        parent_id=start.tip,
        role=Message.Role.USER,
        content=question.text,
        created_at=now,
    )
    answer = Message(
        id=start.answer_id,
        conversation_id=start.conversation_id,
        parent=asked,
        role=Message.Role.ASSISTANT,
        created_at=now + timedelta(microseconds=1),  # the order of messages is the order of their times
        **(_fields(end) if end else {"status": Message.Status.STREAMING}),
    )
    try:
        with transaction.atomic():
            if start.is_new:
                Conversation.objects.create(
                    id=start.conversation_id,
                    project_id=start.project_id,
                    user_id=question.actor.user_id,
                    title=start.title,
                    origin=question.origin,
                )
            else:
                Conversation.objects.filter(id=start.conversation_id).update(updated_at=now)
            Message.objects.bulk_create([asked, answer])
            store_words(question.actor.user_id, [asked, answer] if end else [asked])
    except IntegrityError as error:
        raise InvalidInput("This conversation was begun or deleted somewhere else meanwhile. Ask again.") from error


def save_partial(answer_id: UUID, text: str) -> None:
    """Keep what has come so far, and show that somebody still writes."""
    Message.objects.filter(id=answer_id, status=Message.Status.STREAMING).update(
        content=text, updated_at=timezone.now()
    )


def end_turn(end: TurnEnd) -> None:
    """Store how a turn ended. A turn ends once: what is not streaming any more stays as it is."""
    unended = Message.objects.filter(id=end.answer_id, status=Message.Status.STREAMING)
    if unended.update(**_fields(end), updated_at=timezone.now()):
        index_messages([end.answer_id])


def _fields(end: TurnEnd) -> dict[str, Any]:  # Any: the message's columns, each of its own type
    return {
        "status": end.status,
        "content": end.text,
        "sources": rows_of(end.sources),
        "model": end.model,
        "is_extractive": end.is_extractive,
        "finish_reason": end.finish_reason,
        "error": end.error,
        "usage": {"prompt_tokens": end.prompt_tokens, "completion_tokens": end.completion_tokens},
        "cache": asdict(end.cache) if end.cache else {},
        "stages": end.stages,
    }


def interrupt_abandoned() -> int:
    """Mark answers whose server stopped in the middle; their text stays. How many there were."""
    silent = timezone.now() - ABANDONED_AFTER
    abandoned = Message.objects.filter(status=Message.Status.STREAMING, updated_at__lt=silent)
    ids = list(abandoned.values_list("id", flat=True))
    count = abandoned.filter(id__in=ids).update(status=Message.Status.INTERRUPTED, updated_at=timezone.now())
    index_messages(ids)
    return count


def delete_conversation(conversation: Conversation) -> None:
    """Delete a conversation with its messages, and what Redis remembers of it."""
    history.forget(conversation.id)
    conversation.delete()


def report_wrong(message: Message) -> None:
    """A reader says that a cached answer is wrong: it leaves every cache. Saying it twice says it once.

    Raises InvalidInput for an answer that no cache gave.
    """
    if not message.cache.get("entry_id"):
        raise InvalidInput("Only an answer that came from the cache can be reported here.")
    with transaction.atomic():
        facts = Message.objects.select_for_update().get(id=message.id).cache
        if not facts.get("reported"):
            judge(judgement_of(message, Judgement.Origin.CLICK, is_right=False), message.content)
            Message.objects.filter(id=message.id).update(cache={**facts, "reported": True})


def judgement_of(message: Message, origin: Judgement.Origin, *, is_right: bool) -> Judgement:
    """A judgement, not saved yet, of the cached answer in a message."""
    facts = message.cache
    return Judgement(
        id=judgement_id(message, origin),
        project=message.conversation.project,
        entry_id=facts.get("entry_id"),
        origin=origin,
        layer="semantic" if facts["status"] == "hit-semantic" else "exact",
        asked=message.parent.content if message.parent else "",
        known=facts.get("question") or "",
        similarity=facts.get("similarity"),
        probability=facts.get("probability"),
        is_right=is_right,
    )


def judgement_id(message: Message, origin: Judgement.Origin) -> UUID:
    """Of the one judgement that there can be of a message from this origin."""
    return uuid.uuid5(message.id, origin)
