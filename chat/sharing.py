"""Links under which a conversation is read by whoever has them, up to the message where it was shared.

A link's token has 144 random bits: with a thousand million links alive, a thousand guesses a second find one in some
700 thousand million million years. So guesses need no limit, and a link needs no password.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.selectors import is_readable
from accounts.types import Actor
from chat.models import Conversation, Message, Share
from chat.selectors import hide_closed, list_messages
from core.errors import InvalidInput, NotFound
from core.text import storable

LIVES = (0, 1, 7, 30)  # days; 0 for as long as it is not revoked
MOST = 50  # links of one conversation that work at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A conversation as a link shows it. `sees_sources`: its reader may read the project."""

    conversation: Conversation
    messages: tuple[Message, ...]
    sees_sources: bool


def list_shares(conversation: Conversation) -> QuerySet[Share]:
    """The links that work, the newest first."""
    return conversation.shares.filter(_works())


def create_share(conversation: Conversation, days: int = 0) -> Share:
    """A new link to what the conversation shows now. Raises InvalidInput."""
    tip = conversation.tip_id or conversation.messages.order_by("created_at", "id").values_list("id", flat=True).last()
    if tip is None:
        raise InvalidInput(_("There is nothing to share yet."))
    if days not in LIVES:
        raise InvalidInput(_("A link works for 1, 7 or 30 days, or until it is revoked."))
    if list_shares(conversation).count() >= MOST:
        raise InvalidInput(_("A conversation has %(most)d links at most. Revoke one first.") % {"most": MOST})
    expires_at = timezone.now() + timedelta(days=days) if days else None
    return Share.objects.create(conversation=conversation, tip_id=tip, expires_at=expires_at)


def revoke_share(conversation: Conversation, token: str) -> None:
    """From now on the link does not work; of one that does not exist there is nothing to do."""
    conversation.shares.filter(token=storable(token), revoked_at=None).update(revoked_at=timezone.now())


def open_share(token: str, reader: Actor | None) -> Shared:
    """What a link shows to its reader, who may be nobody in particular. Raises NotFound, the same for every reason why
    a link does not work: revoked, expired, deleted, never there, or its owner may not read the project any more."""
    share = (
        Share.objects.filter(_works(), token=storable(token), conversation__deleted_at=None)
        .select_related("conversation__project")
        .first()
    )
    conversation = share.conversation if share else None
    if share is None or conversation is None or not _owner_reads(conversation):
        raise NotFound(_("This link does not work any more."))
    branch = list_branch(list_messages(conversation), share.tip_id)
    if reader is not None:
        hide_closed(branch, reader)
    return Shared(
        conversation=conversation,
        messages=tuple(branch),
        sees_sources=reader is not None and is_readable(reader, conversation.project_id),
    )


def list_branch(messages: Iterable[Message], tip: UUID | None) -> list[Message]:
    """The messages that lead to `tip`, oldest first; all of them for a conversation without one."""
    known = {message.id: message for message in messages}
    if tip is None:
        return list(known.values())
    branch: list[Message] = []
    message = known.get(tip)
    while message is not None:
        branch.append(message)
        message = known.get(message.parent_id) if message.parent_id else None
    return branch[::-1]


def _works() -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))


def _owner_reads(conversation: Conversation) -> bool:
    return is_readable(Actor(user_id=conversation.user_id), conversation.project_id)
