"""A conversation as a file: what is shown as Markdown to read, everything as JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import Conversation, Message
from knowledge.places import shown_place

FORMAT, VERSION = "polyai-conversation", 1
SOURCE_FIELDS = ("n", "document", "document_id", "locator", "text", "similarity")
CACHE_FIELDS = ("status", "similarity", "age", "question", "entry_id")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
_HTML = re.compile(r"^( {0,3})(?=<(?:[!?/]|[a-zA-Z][\w-]*(?:[\s/>]|$)))")  # what would begin a block of HTML
# What Windows takes for a device, whatever its ending.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def file_name(conversation: Conversation, kind: str) -> str:
    """A name that every file system takes."""
    words = " ".join(re.sub(r"[^\w\- ]+", " ", conversation.title).split())[:60].strip(" -")
    return f"{words if words and not _DEVICE.fullmatch(words) else 'conversation'}.{kind}"


def to_markdown(conversation: Conversation, branch: Iterable[Message]) -> Iterator[str]:
    """The messages of one branch, each answer with its sources as a numbered list."""
    yield f"# {_escape(conversation.title)}\n\n{_escape(conversation.project.name)} · {_time(timezone.now())}\n"
    for message in branch:
        if message.role == Message.Role.USER:
            yield f"\n## {_('Question')} · {_time(message.created_at)}\n\n{_quoted(message.content)}\n"
        else:
            yield f"\n## {_('Answer')} · {_facts(message)}\n\n{_closed(message.content)}\n"
            yield from _sources(message)


def to_json(conversation: Conversation, messages: Iterable[Message]) -> dict[str, object]:
    """All branches: `parent` is the message that one follows, `tip` the last of the branch that is shown."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": timezone.now().isoformat(),
        **summary(conversation),
        "messages": [message_body(message) for message in messages],
    }


def summary(conversation: Conversation) -> dict[str, object]:
    """What is said of a conversation beside its messages."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "project": conversation.project.slug,
        "origin": conversation.origin,
        "tags": conversation.tags,
        "pinned": conversation.pinned_at is not None,
        "archived": conversation.archived_at is not None,
        "tip": str(conversation.tip_id) if conversation.tip_id else None,
        "created_at": conversation.created_at.isoformat(),
        "updated_at": conversation.updated_at.isoformat(),
    }


def message_body(message: Message) -> dict[str, object]:
    cache: dict[str, Any] = message.cache  # Any: JSON
    return {
        "id": str(message.id),
        "parent": str(message.parent_id) if message.parent_id else None,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "error": message.error,
        "model": message.model,
        "finish_reason": message.finish_reason,
        "sources": [{name: source.get(name) for name in SOURCE_FIELDS} for source in message.sources],
        "cache": {name: cache.get(name) for name in CACHE_FIELDS} if cache else None,
        "usage": message.usage,
        "stages": message.stages,
        "created_at": message.created_at.isoformat(),
        "updated_at": message.updated_at.isoformat(),
    }


def _facts(message: Message) -> str:
    facts = [_time(message.created_at), _escape(message.model)]
    if message.cache.get("status", "").startswith("hit-"):
        facts.append(_("from the cache"))
    if message.status != Message.Status.COMPLETE:
        facts.append(str(message.get_status_display()))
    return " · ".join(fact for fact in facts if fact)


def _sources(message: Message) -> Iterator[str]:
    if message.sources:
        yield f"\n### {_('Sources')}\n\n"
    for source in message.sources:
        where = f", {_escape(shown_place(source['locator'], source['document']))}" if source.get("locator") else ""
        yield f"{source['n']}. **{_escape(source['document'])}**{where}\n\n{_quoted(source['text'], '   ')}\n\n"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _quoted(text: str, indent: str = "") -> str:
    """As a quotation, which ends with its last line whatever it says."""
    return "\n".join(f"{indent}> {line}".rstrip() for line in text.splitlines())


def _closed(text: str) -> str:
    """With its last block of code closed and HTML as the text that it is, so that neither takes anything of what
    follows: an open comment would hide all of it."""
    fence, lines = "", []
    for line in text.splitlines():
        match = _FENCE.match(line)
        lines.append(line if fence else _HTML.sub(r"\1\\", line))
        if match is None:
            continue
        marks, rest = match[1], match[2]
        if not fence:
            fence = marks if marks[0] == "~" or "`" not in rest else ""
        elif marks.startswith(fence) and not rest.strip():
            fence = ""
    return "\n".join([*lines, fence] if fence else lines)
