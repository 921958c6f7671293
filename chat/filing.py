"""Writes of what a conversation is filed under: its title, its tags, pinned, archived, deleted and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from caching import history
from chat.models import Conversation
from chat.services import delete_conversation
from core.errors import InvalidInput
from core.text import nfc, storable, undirected

TITLE = 120  # characters
TAG = 40
TAGS = 20
KEPT = timedelta(hours=1)  # that a deleted conversation can be brought back


def edit(
    conversation: Conversation,
    *,
    title: str | None = None,
    tags: Iterable[str] | None = None,
    pinned: bool | None = None,
    archived: bool | None = None,
) -> None:
    """Change what is given and nothing else; of two who change the same, the later one counts. Raises InvalidInput."""
    now = timezone.now()
    changed: dict[str, object] = {}
    if title is not None:
        changed |= {"title": _checked_title(title), "is_renamed": True}
    if tags is not None:
        changed["tags"] = _checked_tags(tags)
    if pinned is not None:
        changed["pinned_at"] = (conversation.pinned_at or now) if pinned else None
    if archived is not None:
        changed["archived_at"] = (conversation.archived_at or now) if archived else None
    for name, value in changed.items():
        setattr(conversation, name, value)
    if changed:
        conversation.save(update_fields=list(changed))


def put_away(conversation: Conversation) -> None:
    """Delete a conversation so that it can be brought back for an hour. Nobody finds it meanwhile."""
    Conversation.objects.filter(id=conversation.id, deleted_at=None).update(deleted_at=timezone.now())
    history.forget(conversation.id)


def bring_back(conversation: Conversation) -> None:
    """Undo its deletion."""
    Conversation.objects.filter(id=conversation.id).update(deleted_at=None)


def purge_deleted() -> int:
    """Remove for good what was deleted more than an hour ago; how many conversations."""
    gone = list(Conversation.objects.filter(deleted_at__lt=timezone.now() - KEPT))
    for conversation in gone:
        delete_conversation(conversation)
    return len(gone)


def _plain(text: str) -> str:
    return " ".join(nfc(undirected(storable(text))).split())


def _checked_title(text: str) -> str:
    title = _plain(text)
    if not title:
        raise InvalidInput(_("A title needs at least one character."))
    if len(title) > TITLE:
        raise InvalidInput(_("A title has %(most)d characters at most.") % {"most": TITLE})
    return title


def _checked_tags(texts: Iterable[str]) -> list[str]:
    """Each tag once, however it is written, in the order given."""
    tags = {tag.casefold(): tag for tag in reversed([_plain(text) for text in texts]) if tag}
    if any(len(tag) > TAG for tag in tags.values()):
        raise InvalidInput(_("A tag has %(most)d characters at most.") % {"most": TAG})
    if len(tags) > TAGS:
        raise InvalidInput(_("A conversation has %(most)d tags at most.") % {"most": TAGS})
    return list(reversed(tags.values()))
