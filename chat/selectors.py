"""Reads of conversations: one's own, in projects that one may still read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.selectors import get_project, list_projects
from accounts.types import Actor
from caching.exact import sources_of
from caching.history import KEPT
from caching.policy import policy_of
from caching.types import Turn
from chat.models import Conversation, Message
from chat.services import ABANDONED_AFTER
from chat.types import Begun, Question, TurnStart
from core.errors import InvalidInput, NotFound
from core.text import undirected
from knowledge.models import Chunk, Document
from knowledge.selectors import has_attached, list_openable

TITLE_LENGTH = 80
PAGE = 60  # messages that are shown of a conversation at once
GONE = gettext_lazy("This passage is no longer in the project.")
CLOSED = gettext_lazy("This passage is of a file that only the one who asked may open.")


def list_conversations(actor: Actor, *, deleted: bool = False) -> QuerySet[Conversation]:
    """Newest first. `deleted`: those whose deletion can still be undone, and no others."""
    return Conversation.objects.filter(
        Q(user=actor.user_id), project__in=list_projects(actor), deleted_at__isnull=not deleted
    )


def get_conversation(actor: Actor, conversation_id: UUID) -> Conversation:
    """Raises NotFound, also for somebody else's."""
    conversation = list_conversations(actor).select_related("project").filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound(_("This conversation does not exist, or is not yours."))
    return conversation


def is_closed(actor: Actor, conversation_id: UUID) -> bool:
    """Whether a conversation of the actor's is in a project that they may not read (any more)."""
    own = Conversation.objects.filter(id=conversation_id, user=actor.user_id)
    return own.exclude(project__in=list_projects(actor)).exists()


def find_tip(actor: Actor, conversation_id: UUID) -> UUID | None:
    """The last message of the branch that was written last; None where there is no conversation of the actor's."""
    return list_conversations(actor).filter(id=conversation_id).values_list("tip_id", flat=True).first()


def open_turn(question: Question) -> TurnStart:
    """Check access and read what a turn begins from. Raises NotFound, InvalidInput. Nothing is stored yet."""
    actor = question.actor
    project = get_project(actor, question.project)
    # What no conversation will remember begins none and goes on with none.
    conversation = None
    if question.is_kept:
        files = Document.objects.filter(attached_to=OuterRef("id"))
        known = Conversation.objects.select_related("tip").annotate(has_attached=Exists(files))
        conversation = known.filter(id=question.conversation_id).first()
    place = _Place()
    if conversation is not None:
        if conversation.user_id != actor.user_id or conversation.project_id != project.id or conversation.deleted_at:
            raise NotFound(_("This conversation does not exist, or is not yours."))
        place = _place(conversation, question)
    elif question.branch is not None:
        raise NotFound(_("This conversation does not exist, or is not yours."))
    return TurnStart(
        project_id=project.id,
        corpus_version=project.corpus_version,
        policy=policy_of(project),
        conversation_id=question.conversation_id,
        is_new=conversation is None,
        title=conversation.title if conversation else _title(question.text),
        tip=place.tip,
        question_id=place.asked.id if place.asked else uuid4(),
        answer_id=uuid4(),
        is_asked=place.asked is not None,
        text=place.asked.content if place.asked else "",
        begun=place.begun,
        has_attached=conversation.has_attached if conversation else has_attached(question.conversation_id),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a question stands in its conversation: after `tip`; `asked` if it stands there already."""

    tip: UUID | None = None
    asked: Message | None = None
    begun: Begun | None = None


def _place(conversation: Conversation, question: Question) -> _Place:
    branch, tip = question.branch, conversation.tip
    if tip is not None and is_being_written(tip):
        raise InvalidInput(_("This conversation is still being answered. Stop it first, or wait."))
    if branch is None:
        return _Place(tip=tip.id if tip else None)
    message = conversation.messages.select_related("parent").filter(id=branch.message_id).first()
    if message is not None and branch.is_again and message.role == Message.Role.ASSISTANT:
        asked = message.parent
    else:
        asked = message
    wanted = Message.Role.ASSISTANT if branch.kind == "follow" else Message.Role.USER
    if message is None or asked is None or asked.role != wanted:
        raise NotFound(_("The message that this belongs to does not exist any more. Reload the page."))
    if branch.kind == "follow":
        return _Place(tip=message.id)
    if branch.kind == "edit":
        return _Place(tip=asked.parent_id)
    begun = _begun(message) if branch.kind == "continue" else None
    return _Place(tip=asked.parent_id, asked=asked, begun=begun)


def _begun(message: Message) -> Begun | None:
    """What is there of an answer that was cut off, to its last whole word; None where it must begin anew."""
    text = message.content[: -len(message.content.split()[-1])] if message.content.strip() else ""
    if not text.strip() or message.is_extractive:
        return None
    hide_gone([message])
    if any(source.get("is_gone") for source in message.sources):
        raise InvalidInput(_("The documents have changed since. Ask again instead."))
    return Begun(text=text, sources=sources_of(message.sources))


def is_unfinished(message: Message) -> bool:
    """Whether there is a beginning of an answer that could be continued."""
    was_cut = message.status in (Message.Status.STOPPED, Message.Status.FAILED, Message.Status.INTERRUPTED)
    return bool(message.content) and (was_cut or message.finish_reason == "length")


def is_being_written(message: Message) -> bool:
    """Whether somebody still works at an answer, as far as its signs of life tell."""
    return message.status == Message.Status.STREAMING and message.updated_at > timezone.now() - ABANDONED_AFTER


def _title(text: str) -> str:
    title = " ".join(undirected(text).split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def list_messages(conversation: Conversation) -> list[Message]:
    """All messages of all branches in order. The text of a passage that has left the project is not shown again."""
    messages = list(conversation.messages.all())
    hide_gone(messages)
    return messages


def list_page(
    conversation: Conversation, *, message_id: UUID | None = None, before: UUID | None = None
) -> tuple[list[Message], bool]:
    """The last messages of a branch, and whether there are earlier ones: of the branch that was written last, or of the
    newest with `message_id` on it, from there on if that comes earlier; or those `before` another message.

    Each has `siblings`: the ids of all that stand in its place, in order. Raises NotFound for a message that is not
    there.
    """
    path, siblings = _branch(conversation, message_id or before)
    if before is not None:
        path = path[: path.index(before)]
    first = max(0, len(path) - PAGE)
    if message_id is not None:
        first = min(first, path.index(message_id))
    return _fetch(conversation, path[first:], siblings), first > 0


def get_message(conversation: Conversation, message_id: UUID) -> Message:
    """One message as `list_page` gives it. Raises NotFound."""
    _path, siblings = _branch(conversation, message_id)
    return _fetch(conversation, [message_id], siblings)[0]


def _fetch(conversation: Conversation, path: Sequence[UUID], siblings: Mapping[UUID, Sequence[UUID]]) -> list[Message]:
    messages = conversation.messages.select_related("feedback").in_bulk(path)
    shown = [messages[identity] for identity in path if identity in messages]
    for message in shown:
        message.siblings = siblings[message.id]  # type: ignore[attr-defined]  # for the template
    hide_gone(shown)
    return shown


def _branch(conversation: Conversation, through: UUID | None) -> tuple[list[UUID], dict[UUID, list[UUID]]]:
    """The ids from the first message to the last of a branch, and for each the ids of those in its place."""
    rows = list(conversation.messages.values_list("id", "parent_id"))
    parents = dict(rows)
    tip = conversation.tip_id
    if through is not None and through not in parents:
        raise NotFound(_("This message does not exist any more."))
    children: dict[UUID | None, list[UUID]] = {}
    for identity, parent in rows:
        children.setdefault(parent, []).append(identity)
    last = through or (tip if tip in parents else None) or (rows[-1][0] if rows else None)
    while last in children:
        last = children[last][-1]
    path: list[UUID] = []
    while last is not None:
        path.append(last)
        last = parents[last]
    return path[::-1], {identity: children[parents[identity]] for identity in path}


def hide_gone(messages: Sequence[Message]) -> None:
    """Take the text of passages that have left the project out of what is shown of messages."""
    cited = {chunk for message in messages for source in message.sources for chunk in _chunks(source)}
    live = Chunk.objects.filter(id__in=cited, version=F("document__live_version")).values_list("id", flat=True)
    gone = cited - {str(chunk_id) for chunk_id in live}
    for message in messages:
        for source in message.sources:
            if not gone.isdisjoint(_chunks(source)):
                source["text"], source["is_gone"] = str(GONE), True


def hide_closed(messages: Sequence[Message], reader: Actor) -> None:
    """Take what the reader may not open out of what is shown of somebody else's messages: files that the asker
    attached, and what is gone, of which nobody can tell any more whether it was one."""
    named = {source["document_id"] for message in messages for source in message.sources}
    opened = {str(found) for found in list_openable(reader).filter(id__in=named).values_list("id", flat=True)}
    for message in messages:
        for source in message.sources:
            if source["document_id"] not in opened:
                text = source["text"] if source.get("is_gone") else str(CLOSED)
                source |= {"document": "…", "locator": "", "text": text, "is_gone": True, "is_closed": True}


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
