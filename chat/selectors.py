"""Reads of conversations: one's own, in projects that one may still read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from django.db.models import F, Q, QuerySet

from accounts.selectors import get_project, list_projects
from accounts.types import Actor
from caching.history import KEPT
from caching.policy import policy_of
from caching.types import Turn
from chat.models import Conversation, Message
from chat.types import Question, TurnStart
from core.errors import NotFound
from knowledge.models import Chunk

TITLE_LENGTH = 80
GONE = "This passage is no longer in the project."


def list_conversations(actor: Actor) -> QuerySet[Conversation]:
    """Newest first."""
    return Conversation.objects.filter(Q(user=actor.user_id), project__in=list_projects(actor))


def get_conversation(actor: Actor, conversation_id: UUID) -> Conversation:
    """Raises NotFound, also for somebody else's."""
    conversation = list_conversations(actor).select_related("project").filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound("This conversation does not exist, or is not yours.")
    return conversation


def open_turn(question: Question) -> TurnStart:
    """Check access and read what a turn begins from. Raises NotFound. Nothing is stored yet."""
    actor = question.actor
    project = get_project(actor, question.project)
    # What no conversation will remember begins none and goes on with none.
    conversation = Conversation.objects.filter(id=question.conversation_id).first() if question.is_kept else None
    tip = None
    if conversation is not None:
        if conversation.user_id != actor.user_id or conversation.project_id != project.id:
            raise NotFound("This conversation does not exist, or is not yours.")
        tip = conversation.messages.order_by("-created_at", "-id").values_list("id", flat=True).first()
    return TurnStart(
        project_id=project.id,
        corpus_version=project.corpus_version,
        policy=policy_of(project),
        conversation_id=question.conversation_id,
        is_new=conversation is None,
        title=conversation.title if conversation else _title(question.text),
        tip=tip,
        question_id=uuid4(),
        answer_id=uuid4(),
    )


def _title(text: str) -> str:
    title = " ".join(text.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def list_messages(conversation: Conversation) -> list[Message]:
    """All messages in order. The text of a passage that has left the project is not shown again."""
    messages = list(conversation.messages.all())
    hide_gone(messages)
    return messages


def hide_gone(messages: Sequence[Message]) -> None:
    """Take the text of passages that have left the project out of what is shown of messages."""
    cited = {chunk for message in messages for source in message.sources for chunk in _chunks(source)}
    live = Chunk.objects.filter(id__in=cited, version=F("document__live_version")).values_list("id", flat=True)
    gone = cited - {str(chunk_id) for chunk_id in live}
    for message in messages:
        for source in message.sources:
            if not gone.isdisjoint(_chunks(source)):
                source["text"], source["is_gone"] = GONE, True


def _chunks(source: dict[str, Any]) -> set[str]:  # Any: JSON
    """The chunks that a stored source's text is of."""
    return {source["chunk_id"], *source.get("chunk_ids", ())}


def list_turns(tip: UUID) -> list[Turn]:
    """The last 20 complete messages on the branch that ends with `tip`, oldest first."""
    turns: list[Turn] = []
    message = Message.objects.filter(id=tip).first()
    while message is not None and len(turns) < KEPT:
        if message.content and message.status in (Message.Status.COMPLETE, Message.Status.STOPPED):
            turns.append(Turn(id=message.id, role=message.role, content=message.content))
        message = message.parent
    return turns[::-1]
