"""One change of many documents, as the page, the admin and REST ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from django.contrib.humanize.templatetags.humanize import intcomma

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
        what = "this document" if count == 1 else f"these {intcomma(count)} documents"
        return f"Delete {what}? No search and no cached answer will show {'it' if count == 1 else 'them'} any more."


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
                raise InvalidInput("Type a tag first.")
            return Change(action=known, tags=found)
    raise InvalidInput(f"'{action[:40]}' cannot be done to documents. These can: {', '.join(ACTIONS)}.")


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored, each once: `[" Legal", "", "Legal"]` → `("Legal",)`."""
    return tuple(dict.fromkeys(tag for tag in (" ".join(nfc(storable(tag)).split()) for tag in tags) if tag))


def carry_out(change: Change, documents: Sequence[Document]) -> Done:
    """Do it, and say what was done."""
    tags = ", ".join(change.tags)
    match change.action:
        case "retry":
            count = services.retry_many(documents)
            told = f"{_documents(count)} queued again." if count else "None of these failed or was cancelled."
        case "cancel":
            count = services.cancel_many(documents)
            told = f"{_documents(count)} cancelled." if count else "None of these was still in progress."
        case "delete":
            count = services.delete_many(documents)
            told = f"{_documents(count)} deleted."
        case "add-tags":
            count = services.set_tags(documents, add=change.tags)
            told = f"{_documents(count)} tagged {tags}."
        case "remove-tags":
            count = services.set_tags(documents, remove=change.tags)
            told = f"{tags} removed from {_documents(count)}."
    return Done(count=count, message=told)


def _documents(count: int) -> str:
    return f"{intcomma(count)} document{'' if count == 1 else 's'}"
