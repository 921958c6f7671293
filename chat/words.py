"""The words that messages are found by, and what somebody who types asks of them.

A message has its words as they stand, in lower case and without accents; what is typed matches where a word begins with
it, or with its stem. Where a script has no spaces, pairs of characters and single ones stand for words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chat.models import Message, MessageWords
from knowledge.languages import detect, is_small
from knowledge.lexical import Word, quote, split_words, stem

MOST_BYTES = 500_000  # of one message's lexemes: PostgreSQL keeps 1 MB
MOST_ASKED = 12  # words of one search
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`query`: as PostgreSQL reads a tsquery. `marks`: what to mark where it is found; `titles`: each of these must be
    in a title."""

    query: str
    marks: tuple[str, ...]
    titles: tuple[str, ...]


def store_words(user_id: UUID | None, messages: Iterable[Message]) -> None:
    """Store the words of new messages of a user's conversation, within the transaction that stores the messages."""
    _store([(message.pk, user_id, message.content) for message in messages])


def index_messages(ids: Sequence[UUID]) -> None:
    """Store the words of these messages anew, as they stand in the database."""
    rows = Message.objects.filter(id__in=ids).values_list("id", "conversation__user_id", "content")
    _store(list(rows))


def _store(rows: Sequence[tuple[UUID, UUID | None, str]]) -> None:
    MessageWords.objects.bulk_create(
        [MessageWords(message_id=id, words=words_of(user_id, text)) for id, user_id, text in rows if user_id],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["message"],
        update_fields=["words"],
    )


def words_of(user_id: UUID, text: str) -> str:
    """A message's words as PostgreSQL reads a tsvector."""
    lexemes = {reader_lexeme(user_id): None}
    size = 0
    for word in split_words(text):
        for lexeme in (stem(word.text, ""), *(word.text if _is_unspaced(word) else "")):
            if lexeme and lexeme not in lexemes:
                lexemes[lexeme] = None
                size += len(lexeme.encode())
        if size > MOST_BYTES:
            break
    return " ".join(map(quote, lexemes))


def reader_lexeme(user_id: UUID) -> str:
    """What every message of a user's conversations has among its words, and no text can have."""
    return f"\x01{user_id.hex}"


def ask(user_id: UUID, text: str) -> Asked | None:
    """What a search asks for; None for one without a word. Small words and a first letter are left out beside others:
    nearly every message has them."""
    language = detect(text) or "en"  # one word tells no language
    words = {word.text: word for word in split_words(text) if not word.is_extra}
    telling = {key: word for key, word in words.items() if not is_small(key, language) and _is_telling(word)}
    asked = list((telling or words).values())[:MOST_ASKED]
    if not asked:
        return None
    terms = [_term(word, language) for word in asked]
    marks = {mark for word in asked for mark in _forms(word, language)}
    return Asked(
        query=" & ".join([quote(reader_lexeme(user_id)), *terms]),
        marks=tuple(sorted(marks, key=len, reverse=True)),
        titles=tuple(word.text for word in asked),
    )


def _is_unspaced(word: Word) -> bool:
    return not word.is_plain and not word.is_extra and not word.text[0].isdigit()


def _is_telling(word: Word) -> bool:
    return len(word.text) > 1 or _is_unspaced(word)


def _forms(word: Word, language: str) -> list[str]:
    forms = [stem(word.text, "")]
    if word.is_plain and (stemmed := stem(word.text, language)) and stemmed not in forms:
        forms.append(stemmed)
    return [form for form in forms if form]


def _term(word: Word, language: str) -> str:
    if _is_unspaced(word):
        return quote(stem(word.text, ""))
    return "(" + " | ".join(f"{quote(form)}:*" for form in _forms(word, language)) + ")"
