"""caching/history.py: the last messages, from a Redis list that is never trusted over PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from caching import history
from caching.history import KEPT, LIFE
from caching.types import Turn
from core.redis import async_redis, sync_redis

Turns = tuple[Turn, ...]


def make_turns(count: int, first: int = 0) -> Turns:
    return tuple(
        Turn(id=uuid4(), role=("user", "assistant")[n % 2], content=f"Message {n}. Ünï 🙂 \"'")
        for n in range(first, first + count)
    )


@dataclass
class Conversation:
    """What PostgreSQL knows, and how often it was asked."""

    id: UUID = field(default_factory=uuid4)
    turns: Turns = ()
    reads: int = 0

    @property
    def name(self) -> str:
        return f"conversation:{self.id}:messages"

    async def say(self, count: int = 2) -> None:
        """As the pipeline does: stored in PostgreSQL, then pushed."""
        new = make_turns(count, len(self.turns))
        after = self.turns[-1].id if self.turns else None
        self.turns += new
        await history.push(self.id, new, after=after)

    async def rebuild(self) -> Sequence[Turn]:
        self.reads += 1
        return self.turns[-KEPT:]

    async def load(self) -> Turns:
        return await history.load(self.id, self.turns[-1].id if self.turns else None, self.rebuild)


@pytest.fixture
def conversation() -> Conversation:
    return Conversation()


async def test_a_new_conversation_has_no_history_and_asks_nobody(conversation: Conversation) -> None:
    assert await conversation.load() == ()
    assert conversation.reads == 0


async def test_what_was_said_comes_back_oldest_first_from_the_list(conversation: Conversation) -> None:
    await conversation.say()
    await conversation.say()
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 0


async def test_the_list_holds_the_newest_first_under_the_promised_name(conversation: Conversation) -> None:
    await conversation.say()
    values = await async_redis().lrange(f"conversation:{conversation.id}:messages", 0, -1)
    assert b"Message 1." in values[0]
    assert b"Message 0." in values[1]


async def test_only_the_last_twenty_are_kept(conversation: Conversation) -> None:
    for _ in range(13):
        await conversation.say()
    assert await async_redis().llen(conversation.name) == 20
    assert await conversation.load() == conversation.turns[-20:]
    assert conversation.reads == 0


async def test_a_list_lives_an_hour_after_the_last_message(conversation: Conversation) -> None:
    await conversation.say()
    await async_redis().expire(conversation.name, 10)
    await conversation.say()
    assert LIFE - 5 <= await async_redis().ttl(conversation.name) <= LIFE


async def test_reading_does_not_extend_its_life(conversation: Conversation) -> None:
    await conversation.say()
    await async_redis().pexpire(conversation.name, 5_000)
    await conversation.load()
    assert await async_redis().pttl(conversation.name) <= 5_000


async def test_an_absent_list_is_rebuilt_once_from_postgresql(conversation: Conversation) -> None:
    await conversation.say()
    await async_redis().delete(conversation.name)
    assert await conversation.load() == conversation.turns
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1
    assert LIFE - 5 <= await async_redis().ttl(conversation.name) <= LIFE


async def test_a_rebuilt_list_goes_on_as_any_other(conversation: Conversation) -> None:
    for _ in range(12):
        await conversation.say()
    await async_redis().delete(conversation.name)
    await conversation.load()
    await conversation.say()
    assert await conversation.load() == conversation.turns[-20:]
    assert conversation.reads == 1


async def test_a_list_that_ends_elsewhere_is_never_served(conversation: Conversation) -> None:
    await conversation.say()
    conversation.turns += make_turns(2, 2)  # stored, and the push was lost
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1


async def test_a_list_that_is_ahead_is_not_served_either(conversation: Conversation) -> None:
    await conversation.say()
    before = conversation.turns
    await conversation.say()
    conversation.turns = before  # the question was edited: another branch
    assert await conversation.load() == before


async def test_an_expired_list_is_not_started_again_in_the_middle(conversation: Conversation) -> None:
    await conversation.say()
    await async_redis().delete(conversation.name)
    await conversation.say()
    assert not await async_redis().exists(conversation.name)
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1


@pytest.mark.parametrize(
    "value",
    [
        b"not json",
        b"\xff",
        b"null",
        b"7",
        b"{}",
        b'["too short"]',
        b'["not an id", "user", "text"]',
        b'[7, "user", "text"]',
        b'[null, "user", "text"]',
        b"[" * 100_000,
    ],
    ids=[
        *("no JSON", "bytes", "null", "number", "object", "short"),
        *("broken id", "number as id", "no id", "nested without end"),
    ],
)
async def test_a_list_that_cannot_be_read_is_rebuilt(conversation: Conversation, value: bytes) -> None:
    await conversation.say()
    sync_redis().lset(conversation.name, 1, value)  # type: ignore[arg-type]  # bytes are fine, its types forgot them
    assert await conversation.load() == conversation.turns
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1


@pytest.mark.parametrize("fields", ['"user", null', '7, "text"', '"user", ["text"]'])
async def test_a_message_of_another_shape_is_not_shown_to_a_model(conversation: Conversation, fields: str) -> None:
    await conversation.say()
    await async_redis().lset(conversation.name, 1, f'["{conversation.turns[0].id}", {fields}, null]')
    assert await conversation.load() == conversation.turns


async def test_a_name_that_holds_something_else_is_rebuilt(conversation: Conversation) -> None:
    await conversation.say()
    await async_redis().set(conversation.name, "not a list")
    assert await conversation.load() == conversation.turns
    assert await conversation.load() == conversation.turns
    assert conversation.reads == 1


async def test_without_redis_postgresql_answers(
    conversation: Conversation, dead_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    await conversation.say()
    assert await conversation.load() == conversation.turns
    assert "history write failed" in caplog.text
    assert "history read failed" in caplog.text
    assert "history rebuild failed" in caplog.text


async def test_a_list_that_missed_messages_while_redis_was_away_is_not_served(conversation: Conversation) -> None:
    """Away for one push and for the load of the next turn, back for its push: the list's tip is right and its
    middle is not, and a model would answer from a conversation that never was."""
    await conversation.say()
    conversation.turns += make_turns(2, 2)  # stored, not pushed; and a load that fails changes no list
    await conversation.say()
    assert await conversation.load() == conversation.turns


async def test_a_rebuild_of_more_than_twenty_keeps_the_last(conversation: Conversation) -> None:
    turns = make_turns(30)

    async def everything() -> Sequence[Turn]:
        return turns

    assert await history.load(conversation.id, turns[-1].id, everything) == turns[-20:]
    assert await async_redis().llen(conversation.name) == 20


async def test_a_history_that_postgresql_does_not_know_leaves_no_list(conversation: Conversation) -> None:
    assert await history.load(conversation.id, uuid4(), conversation.rebuild) == ()
    assert not await async_redis().exists(conversation.name)
