"""Writes of conversations: one transaction begins a turn, one ends it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.selectors import get_project
from caching.types import Source
from chat.models import Conversation, Message
from chat.types import Question, TurnEnd, TurnStart
from core.errors import NotFound

TITLE_LENGTH = 80


@transaction.atomic
def start_turn(question: Question) -> TurnStart:
    """Check access, store the question and an answer still empty. Raises NotFound."""
    project = get_project(question.actor, question.project)
    now = timezone.now()
    title = " ".join(question.text.split())
    title = title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"
    conversation, is_new = Conversation.objects.get_or_create(
        id=question.conversation_id,
        defaults={"project": project, "user_id": question.actor.user_id, "title": title, "updated_at": now},
    )
    tip = None
    if not is_new:
        if conversation.user_id != question.actor.user_id or conversation.project_id != project.id:
            raise NotFound("This conversation does not exist, or is not yours.")
        tip = conversation.messages.order_by("-created_at", "-id").values_list("id", flat=True).first()
        Conversation.objects.filter(id=conversation.id).update(updated_at=now)
    asked = Message(
        conversation=conversation, parent_id=tip, role=Message.Role.USER, content=question.text, created_at=now
    )
    answer = Message(
        conversation=conversation,
        parent=asked,
        role=Message.Role.ASSISTANT,
        status=Message.Status.STREAMING,
        created_at=now + timedelta(microseconds=1),
    )
    Message.objects.bulk_create([asked, answer])
    return TurnStart(
        project_id=project.id,
        corpus_version=project.corpus_version,
        cache_ttl=project.cache_ttl,
        conversation_id=conversation.id,
        title=conversation.title,
        tip=tip,
        question_id=asked.id,
        answer_id=answer.id,
    )


def save_partial(answer_id: UUID, text: str) -> None:
    """Keep what has come so far, and show that somebody still writes."""
    Message.objects.filter(id=answer_id, status=Message.Status.STREAMING).update(
        content=text, updated_at=timezone.now()
    )


def end_turn(end: TurnEnd) -> None:
    """Store how a turn ended. A turn ends once: what is not streaming any more stays as it is."""
    Message.objects.filter(id=end.answer_id, status=Message.Status.STREAMING).update(
        status=end.status,
        content=end.text,
        sources=[_plain(source) for source in end.sources],
        model=end.model,
        is_extractive=end.is_extractive,
        finish_reason=end.finish_reason,
        error=end.error,
        usage={"prompt_tokens": end.prompt_tokens, "completion_tokens": end.completion_tokens},
        cache=asdict(end.cache) if end.cache else {},
        stages=end.stages,
        updated_at=timezone.now(),
    )


def interrupt_abandoned() -> int:
    """Mark answers whose server stopped in the middle; their text stays. How many there were."""
    silent = timezone.now() - timedelta(seconds=settings.CHAT_TIMEOUT + 60)
    abandoned = Message.objects.filter(status=Message.Status.STREAMING, updated_at__lt=silent)
    return abandoned.update(status=Message.Status.INTERRUPTED, updated_at=timezone.now())


def delete_conversation(conversation: Conversation) -> None:
    conversation.delete()


def _plain(source: Source) -> dict[str, object]:
    return {k: str(v) if isinstance(v, uuid.UUID) else v for k, v in asdict(source).items()}
