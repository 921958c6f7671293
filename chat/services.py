"""Writes of conversations. A turn is stored before a model is asked, and once more when it ends."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.types import Actor
from caching import history
from caching.entries import rows_of
from caching.judgements import judge
from caching.models import Judgement
from caching.types import Source
from chat.grounding import check_citations
from chat.mirror import find_written
from chat.models import Conversation, Message
from chat.types import Question, TurnEnd, TurnStart
from chat.words import index_messages, store_words
from core.errors import InvalidInput
from knowledge.services import delete_attached

SAVE_EVERY = 3.0  # seconds: what a killed server loses of an answer at most
ABANDONED_AFTER = timedelta(seconds=8)  # without a sign of life
UNENDED = (Message.Status.STREAMING, Message.Status.INTERRUPTED)


def store_turn(question: Question, start: TurnStart, end: TurnEnd | None = None) -> None:
    """Store a question with its answer: still empty and being written, or as it has already ended.

    A question that was asked before gets another answer beside those that it has.
    """
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
        parent_id=start.question_id,
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
                    tip_id=start.answer_id,
                )
            else:
                Conversation.objects.filter(id=start.conversation_id).update(updated_at=now, tip_id=start.answer_id)
            stored = [answer] if start.is_asked else [asked, answer]
            Message.objects.bulk_create(stored)
            store_words(question.actor.user_id, stored if end else [one for one in stored if one is asked])
    except IntegrityError as error:
        own = Conversation.objects.filter(id=start.conversation_id, user=question.actor.user_id)
        if start.is_new and end is not None and own.filter(project=start.project_id).exists():
            # Begun somewhere else meanwhile, and told already: it stands beside what was asked there.
            return store_turn(question, replace(start, is_new=False), end)
        raise InvalidInput(_("This conversation was begun or deleted somewhere else meanwhile. Ask again.")) from error


def withdraw_turn(start: TurnStart) -> None:
    """Take back what `store_turn` has stored, and is still there."""
    for message in Message.objects.filter(id=start.answer_id if start.is_asked else start.question_id):
        delete_message(message)
    if start.is_new:
        Conversation.objects.filter(id=start.conversation_id, messages=None).delete()


def save_partial(answer_id: UUID, text: str, sources: Sequence[Source]) -> None:
    """Keep what has come so far, and show that somebody still writes."""
    Message.objects.filter(id=answer_id, status__in=UNENDED).update(
        content=text, sources=rows_of(sources), status=Message.Status.STREAMING, updated_at=timezone.now()
    )


def end_turn(end: TurnEnd) -> None:
    """Store how a turn ended. A turn ends once; one that was taken for dead, and is not, still does."""
    unended = Message.objects.filter(id=end.answer_id, status__in=UNENDED)
    with transaction.atomic():  # nobody deletes it before its words are there
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


def interrupt_abandoned(conversation_id: UUID | None = None) -> int:
    """Mark answers whose server stopped in the middle, of one conversation or all, and keep all that had come of
    them. How many there were."""
    silent = timezone.now() - ABANDONED_AFTER
    abandoned = Message.objects.filter(status=Message.Status.STREAMING, updated_at__lt=silent)
    if conversation_id is not None:
        abandoned = abandoned.filter(conversation_id=conversation_id)
    return sum(map(_interrupt, abandoned.select_related("conversation")))


def _interrupt(message: Message) -> int:
    place = (Actor(user_id=message.conversation.user_id), message.conversation_id)
    written, found = find_written(place, message.id)
    sources = message.sources or found
    text = check_citations(written, max((source["n"] for source in sources), default=0)).strip()
    still = Message.objects.filter(id=message.id, status=Message.Status.STREAMING, updated_at=message.updated_at)
    marked = still.update(
        status=Message.Status.INTERRUPTED,
        content=text if len(text) > len(message.content) else message.content,
        sources=sources,
        updated_at=timezone.now(),
    )
    if marked:
        index_messages([message.id])
    return marked


def delete_message(message: Message) -> None:
    """Delete a message with all that follows it; the branch before it is shown then."""
    conversation_id, parent_id = message.conversation_id, message.parent_id
    history.forget(conversation_id)
    with transaction.atomic():
        conversation = Conversation.objects.filter(id=conversation_id)
        list(conversation.select_for_update().values("id"))  # no turn is stored behind it meanwhile, and none ends
        gone = Message.objects.filter(id__in=_following(message))
        list(gone.select_for_update().values("id"))
        gone.delete()
        sibling = Message.objects.filter(conversation_id=conversation_id, parent_id=parent_id).last()
        written_last = Message.objects.filter(id__in=_following(sibling)).last() if sibling else None
        tip = written_last.id if written_last else parent_id
        conversation.filter(tip=None).update(tip_id=tip)


def _following(message: Message) -> list[UUID]:
    """A message and all that stand behind it: all at once, for Django would go down a long conversation one by one."""
    children: dict[UUID | None, list[UUID]] = {}
    for identity, parent in Message.objects.filter(conversation=message.conversation_id).values_list("id", "parent_id"):
        children.setdefault(parent, []).append(identity)
    found = [message.id]
    for identity in found:
        found += children.get(identity, [])  # the walk goes on into them
    return found


def delete_conversation(conversation: Conversation) -> None:
    """Delete a conversation with its messages and files, and what Redis remembers of it."""
    history.forget(conversation.id)
    delete_attached(conversation.id)
    conversation.delete()


def report_wrong(message: Message) -> None:
    """A reader says that a cached answer is wrong: it leaves every cache. Saying it twice says it once.

    Raises InvalidInput for an answer that no cache gave.
    """
    if not message.cache.get("entry_id"):
        raise InvalidInput(_("Only an answer that came from the cache can be reported here."))
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
