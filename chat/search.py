"""Search in one's own conversations: titles and messages, in projects that one may still read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import BooleanField, F, Func, Q, Value
from django.urls import reverse

from accounts.types import Actor
from chat.models import Message
from chat.selectors import list_conversations
from chat.words import Asked, ask

MOST = 20  # messages
MOST_TITLES = 5
FEW = 1_000  # matches that are fetched to be sorted
MAX_QUERY = 200  # characters that are looked at
BEFORE, AFTER = 60, 180  # characters of a snippet around the first word that was found
# Signs of Markdown, and not what looks like them: `snake_case`, C#, 2 * 3, a > b.
_MARKUP = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]|>[ \t>]*|[:-][: \t-]*$)|`+|\*\*+|~~|(?<!\w)[*_]+(?=\S)|(?<=\S)[*_]+(?!\w)"
    r"|[ \t]?\[\d[\d, ]*\]",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a text; a marked one is what was searched for."""

    text: str
    is_marked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """`message_id` is None where the title was found."""

    conversation_id: UUID
    message_id: UUID | None
    title: tuple[Piece, ...]
    snippet: tuple[Piece, ...]
    role: str
    at: datetime

    @property
    def path(self) -> str:
        """Where it opens."""
        page = reverse("conversation", args=[self.conversation_id])
        return f"{page}?message={self.message_id}#message-{self.message_id}" if self.message_id else page


def search_conversations(actor: Actor, text: str, limit: int = MOST) -> list[Hit]:
    """Titles that have all words first, then messages that do, the newest first. The last word may be unfinished, as
    every other one; nothing is found for a text without a word."""
    asked = ask(actor.user_id, text[:MAX_QUERY]) if actor.user_id else None
    if asked is None:
        return []
    pattern = _pattern(asked)
    return [*_titles(actor, asked, pattern), *_messages(actor, asked, pattern, limit)]


def _titles(actor: Actor, asked: Asked, pattern: re.Pattern[str]) -> list[Hit]:
    has_all = Q()
    for word in asked.titles:
        has_all &= Q(title__icontains=word)
    return [
        Hit(
            conversation_id=found.id,
            message_id=None,
            title=_pieces(found.title, pattern),
            snippet=(),
            role="",
            at=found.updated_at,
        )
        for found in list_conversations(actor).filter(has_all)[:MOST_TITLES]
    ]


def _messages(actor: Actor, asked: Asked, pattern: re.Pattern[str], limit: int) -> list[Hit]:
    """Few matches are sorted; where there are many, the newest messages are walked through until enough match. Each has
    its index: PostgreSQL cannot guess how many words begin with some letters, and would take the wrong one."""
    ids = _matching(asked)
    own = Message.objects.filter(conversation__in=list_conversations(actor).order_by())
    columns = ("content", "role", "created_at", "conversation__title")
    newest = own.select_related("conversation").only(*columns).order_by("-created_at")
    if len(ids) <= FEW:
        found = list(newest.filter(id__in=ids)[:limit])
    else:
        with _without("bitmapscan"):
            found = list(newest.filter(_has_words(asked))[:limit])
    return [
        Hit(
            conversation_id=message.conversation_id,
            message_id=message.id,
            title=_pieces(message.conversation.title, None),
            snippet=_snippet(message.content, pattern),
            role=message.role,
            at=message.created_at,
        )
        for message in found
    ]


def _matching(asked: Asked) -> list[UUID]:
    """Messages with the words, one more than a few at most."""
    statement = "SELECT message_id FROM chat_messagewords WHERE words @@ %s::tsquery LIMIT %s"
    with _without("seqscan"), connection.cursor() as cursor:
        cursor.execute(statement, [asked.query, FEW + 1])
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def _without(method: str) -> Iterator[None]:
    """PostgreSQL leaves out a way of reading a table, where there is another."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL enable_{method} = off")
        yield
        cursor.execute(f"SET LOCAL enable_{method} TO DEFAULT")


def _has_words(asked: Asked) -> Func:
    return Func(
        F("words__words"),
        Value(asked.query),
        template="(%(expressions)s::tsquery)",
        arg_joiner=" @@ ",
        output_field=BooleanField(),
    )


def _pattern(asked: Asked) -> re.Pattern[str]:
    """What is marked: words from their beginning on; in a script without spaces, wherever they stand."""
    marks = [re.escape(mark) if mark[0] > "\u0dff" else rf"(?<![^\W_]){re.escape(mark)}" for mark in asked.marks]
    return re.compile("|".join(marks), re.IGNORECASE)


def _snippet(content: str, pattern: re.Pattern[str]) -> tuple[Piece, ...]:
    """What stands around the first of the words, without Markdown's signs."""
    first = pattern.search(content)
    start = max(0, (first.start() if first else 0) - BEFORE)
    end = (first.start() if first else 0) + AFTER
    cut = " ".join(_MARKUP.sub("", content[start:end].replace("|", " ")).split())
    return _pieces(f"{'…' if start else ''}{cut}{'…' if end < len(content) else ''}", pattern)


def _pieces(text: str, pattern: re.Pattern[str] | None) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    place = 0
    for match in pattern.finditer(text) if pattern else ():
        if match.start() > place:
            pieces.append(Piece(text=text[place : match.start()], is_marked=False))
        pieces.append(Piece(text=match.group(), is_marked=True))
        place = match.end()
    if place < len(text):
        pieces.append(Piece(text=text[place:], is_marked=False))
    return tuple(pieces)
