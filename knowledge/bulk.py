"""One change of many documents, as the page, the admin and REST ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.errors import InvalidInput
from core.text import nfc, storable
from knowledge import services
from knowledge.models import Document

Action = Literal["retry", "cancel", "delete", "add-tags", "remove-tags"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is done to each of them; `tags` for the two actions that take some."""

    action: Action
    tags: tuple[str, ...] = ()

    @property
    def needs_confirmation(self) -> bool:
        return self.action == "delete"

    def question(self, count: int) -> str:
        """What somebody is asked before it is done to so many."""
        return ngettext(
            "Delete this document? No search and no cached answer will show it any more.",
            "Delete these %(count)s documents? No search and no cached answer will show them any more.",
            count,
        ) % {"count": intcomma(count)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How many documents a change has changed, and a sentence about it."""

    count: int
    message: str


def change_of(action: str, tags: Iterable[str] = ()) -> Change:
    """A change as somebody asks for it. Raises InvalidInput."""
    for known in ACTIONS:
        if action == known:
            found = clean_tags(tags)
            if known.endswith("-tags") and not found:
                raise InvalidInput(_("Type a tag first."))
            return Change(action=known, tags=found)
    raise InvalidInput(
        _("'%(action)s' cannot be done to documents. These can: %(actions)s.")
        % {"action": action[:40], "actions": ", ".join(ACTIONS)}
    )


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored, each once: `[" Legal", "", "Legal"]` → `("Legal",)`."""
    return tuple(dict.fromkeys(tag for tag in (" ".join(nfc(storable(tag)).split()) for tag in tags) if tag))


def carry_out(change: Change, documents: Sequence[Document]) -> Done:
    """Do it, and say what was done."""
    match change.action:
        case "retry":
            count = services.retry_many(documents)
            told = ngettext("%(count)s document queued again.", "%(count)s documents queued again.", count)
        case "cancel":
            count = services.cancel_many(documents)
            told = ngettext("%(count)s document cancelled.", "%(count)s documents cancelled.", count)
        case "delete":
            count = services.delete_many(documents)
            told = ngettext("%(count)s document deleted.", "%(count)s documents deleted.", count)
        case "add-tags":
            count = services.set_tags(documents, add=change.tags)
            told = ngettext("%(count)s document tagged %(tags)s.", "%(count)s documents tagged %(tags)s.", count)
        case "remove-tags":
            count = services.set_tags(documents, remove=change.tags)
            told = ngettext(
                "%(tags)s removed from %(count)s document.", "%(tags)s removed from %(count)s documents.", count
            )
    if not count and change.action == "retry":
        told = _("None of these failed or was cancelled.")
    elif not count and change.action == "cancel":
        told = _("None of these was still in progress.")
    return Done(count=count, message=told % {"count": intcomma(count), "tags": ", ".join(change.tags)})
