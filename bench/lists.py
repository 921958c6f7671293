"""`python -m bench.lists`: what somebody looks through, with ten thousand conversations and documents, beside one who
has ten of each. Both are asked in turn, by the pages' own requests.

Each conversation has ten messages, of 15 words (a question) and 150 (an answer), drawn from 30,000 invented words as
words are drawn in a language: the n-th most frequent one n times as seldom as the first. Every tenth document has one
of twenty tags.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import platform
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
from django.conf import settings

from accounts.types import Actor
from bench.figures import Clock, in_turn, row
from bench.latency import session
from bench.stage import on_stage
from core.database import in_db

if TYPE_CHECKING:  # they need Django's settings, which the stage sets
    from accounts.models import Project, User

MANY, FEW = 10_000, 10
MESSAGES, BATCH = 10, 500
RUNS, DEEP = 100, 100
SYLLABLES = [consonant + vowel for consonant in "bdfklmnprst" for vowel in "aeiou"]


class Language:
    """Invented words, the frequent ones first."""

    def __init__(self, size: int = 30_000) -> None:
        self._random = random.Random(1)  # no secret: the same words at each run
        self.words = ["".join(self._random.choices(SYLLABLES, k=self._random.randint(2, 5))) for _ in range(size)]
        self._weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(size)))

    def say(self, length: int) -> str:
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=length))

    def search(self) -> str:
        """One to three words, the last one not yet finished."""
        *words, last = self.say(self._random.randint(1, 3)).split()
        return " ".join([*words, last[: self._random.randint(2, len(last))]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody with a project and their conversations."""

    user: User
    project: Project
    cookie: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"}


def make_reader(name: str, size: int, language: Language) -> Reader:
    from accounts.models import User
    from accounts.services import create_project

    user = User.objects.create_user(f"{name}@example.org", "a password of the bench 7")
    project = create_project(name=name, slug=name, owner=user)
    for begin in range(0, size, BATCH):
        numbers = range(begin, min(begin + BATCH, size))
        _add_conversations(user, project, numbers, language)
        _add_documents(user, project, numbers, language)
    return Reader(user=user, project=project, cookie=session(user))


def _add_conversations(user: User, project: Project, numbers: range, language: Language) -> None:
    from django.utils import timezone

    from chat.models import Conversation, Message, MessageWords
    from chat.words import words_of

    now = timezone.now()
    conversations = [
        Conversation(user=user, project=project, title=language.say(8), updated_at=now - timedelta(minutes=number))
        for number in numbers
    ]
    messages = [
        Message(
            conversation=conversation,
            role=Message.Role.ASSISTANT if place % 2 else Message.Role.USER,
            content=language.say(150 if place % 2 else 15),
            created_at=conversation.updated_at + timedelta(seconds=place),
        )
        for conversation in conversations
        for place in range(MESSAGES)
    ]
    Conversation.objects.bulk_create(conversations)
    Message.objects.bulk_create(messages)
    MessageWords.objects.bulk_create(
        MessageWords(message_id=message.id, words=words_of(user.id, message.content)) for message in messages
    )


def _add_documents(user: User, project: Project, numbers: range, language: Language) -> None:
    """Documents that are there to be named; nobody asks what they say."""
    from knowledge.models import Document

    Document.objects.bulk_create(
        Document(
            project=project,
            name=f"{language.say(3)} {number}.md",
            kind="md",
            tags=[f"tag {number // 10 % 20}"] if number % 10 == 0 else [],
            uploaded_by=user,
            original=f"bench/{project.slug}/{number}.md",
            size=1,
            content_hash=f"{number:064x}",
            state=Document.State.READY,
            live_version=1,
        )
        for number in numbers
    )


def addresses(reader: Reader, language: Language) -> dict[str, list[str]]:
    """What is measured, by name: the addresses that are asked in turn."""
    from chat.catalogue import Filter, list_page

    after = ""
    for _ in range(DEEP):
        after = list_page(Actor(user_id=reader.user.pk), Filter(), after).after or after
    slug = reader.project.slug
    searches = [language.search() for _ in range(RUNS)]
    letters = [search.split()[-1][:3] for search in searches]
    return {
        "list of conversations": ["/conversations/"],
        f"the same, {DEEP} pages down": [f"/conversations/?after={after}"],
        "palette, recent conversations": ["/palette/"],
        "palette, search in all messages": [f"/palette/?q={search}" for search in searches],
        "# in the question, nothing typed": [f"/projects/{slug}/pick/?q="],
        "# in the question, some letters": [f"/projects/{slug}/pick/?q={typed}" for typed in letters],
        "page of documents": [f"/projects/{slug}/documents/"],
    }


async def measure(url: str, many: Reader, few: Reader, language: Language) -> None:
    async with (
        httpx2.AsyncClient(base_url=url, headers=many.headers, timeout=60) as one,
        httpx2.AsyncClient(base_url=url, headers=few.headers, timeout=60) as other,
    ):
        asked = await in_db(addresses)(many, language)
        asked_of_few = await in_db(addresses)(few, language)
        for name in asked:
            of_many, of_few = await in_turn(RUNS, _side(one, asked[name]), _side(other, asked_of_few[name]))
            row(name, f"{of_many} ms", f"{of_few} ms", f"{of_many.median / of_few.median:.2f}x")


def _side(client: httpx2.AsyncClient, addresses: list[str]) -> Callable[[int], Awaitable[float]]:
    async def ask(run: int) -> float:
        with Clock() as clock:
            (await client.get(addresses[run % len(addresses)])).raise_for_status()
        return clock.ms

    return ask


def main() -> None:
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    with on_stage() as here:
        here.product.start()
        import django

        django.setup()
        from django.db import connection

        language = Language()
        many, few = make_reader("many", MANY, language), make_reader("few", FEW, language)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as the server does by itself within minutes
        row("what", f"with {MANY:,}", f"with {FEW}", "ratio")
        row("---", "---", "---", "---")
        asyncio.run(measure(here.product.url, many, few, language))


if __name__ == "__main__":
    main()
