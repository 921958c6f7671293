"""What one does with a message of one's own: read it again, copy it, delete it; and what nobody else may."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from chat import services, words
from chat.models import Conversation, Message
from chat.selectors import open_turn
from chat.types import TurnEnd
from core.database import in_db
from core.errors import InvalidInput
from tests.conftest import Cast, browser_of, eventually, make_question


def write(cast: Cast, *, messages: int) -> tuple[Conversation, list[Message]]:
    """A conversation of alice's, questions and answers in turn."""
    conversation = Conversation.objects.create(project=cast.project, user=cast.alice, title="Refunds")
    made: list[Message] = []
    for number in range(messages):
        role = "assistant" if number % 2 else "user"
        parent = made[-1] if made else None
        made.append(
            Message.objects.create(conversation=conversation, parent=parent, role=role, content=f"Message {number}")
        )
    Conversation.objects.filter(id=conversation.id).update(tip=made[-1])
    return conversation, made


def address(message: Message, what: str = "") -> str:
    return f"/chat/{message.conversation_id}/messages/{message.id}/{what}"


def client_of(user: User) -> Client:
    return browser_of(user)


def test_a_message_is_copied_as_it_was_written(cast: Cast) -> None:
    _conversation, (_, answer) = write(cast, messages=2)
    Message.objects.filter(id=answer.id).update(content="**30 days** <b>[1]")
    response = client_of(cast.alice).get(address(answer, "markdown/"))
    assert response.content.decode() == "**30 days** <b>[1]"
    assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_deleting_a_message_takes_what_follows_and_shows_what_was_before(cast: Cast) -> None:
    conversation, made = write(cast, messages=6)
    assert client_of(cast.alice).post(address(made[2], "delete/")).status_code == 302
    assert list(conversation.messages.values_list("content", flat=True)) == ["Message 0", "Message 1"]
    conversation.refresh_from_db()
    assert conversation.tip_id == made[1].id


def test_deleting_one_of_two_answers_shows_the_other(cast: Cast) -> None:
    conversation, (question, answer) = write(cast, messages=2)
    other = Message.objects.create(conversation=conversation, parent=question, role="assistant", content="Another")
    Conversation.objects.filter(id=conversation.id).update(tip=other)
    page = client_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
    assert "2/2" in page
    assert f'?message={answer.id}#message-{answer.id}"' in page
    client_of(cast.alice).post(address(other, "delete/"))
    conversation.refresh_from_db()
    assert conversation.tip_id == answer.id
    assert "2/2" not in client_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()


class Held:
    """A function whose caller gets what it returns when it may."""

    def __init__(self, function: Callable[..., Any]) -> None:  # Any: whatever it does
        self._function = function
        self.is_called, self.may_return = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:  # Any: likewise
        found = self._function(*arguments)
        self.is_called.set()
        assert self.may_return.wait(10)
        return found


async def test_what_is_asked_while_a_message_is_deleted_does_not_follow_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, (question, answer) = await in_db(write)(cast, messages=2)
    asked = make_question(cast, "And then?", conversation_id=conversation.id)
    start = await in_db(open_turn)(asked)
    held = Held(services._following)
    monkeypatch.setattr(services, "_following", held)
    deleting = asyncio.ensure_future(in_db(services.delete_message)(answer))
    await eventually(held.is_called.is_set)
    storing = asyncio.ensure_future(in_db(services.store_turn)(asked, start))
    await asyncio.wait({storing}, timeout=0.2)
    held.may_return.set()
    await deleting
    with pytest.raises(InvalidInput):
        await storing
    await in_db(services.withdraw_turn)(start)  # there is nothing to take back
    await in_db(conversation.refresh_from_db)()
    assert conversation.tip_id == question.id
    assert await in_db(conversation.messages.count)() == 1


async def test_an_answer_that_ends_while_it_is_deleted_is_gone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, (question, answer) = await in_db(write)(cast, messages=2)
    await in_db(conversation.messages.filter(id=answer.id).update)(status="streaming")
    held = Held(words.words_of)
    monkeypatch.setattr(words, "words_of", held)
    ending = asyncio.ensure_future(in_db(services.end_turn)(TurnEnd(answer_id=answer.id, status="complete", text="So")))
    await eventually(held.is_called.is_set)
    deleting = asyncio.ensure_future(in_db(services.delete_message)(answer))
    await asyncio.wait({deleting}, timeout=0.2)
    held.may_return.set()
    await asyncio.gather(ending, deleting)
    assert await in_db(list)(conversation.messages.all()) == [question]


def test_the_beginning_of_a_conversation_of_two_thousand_messages_can_be_deleted(cast: Cast) -> None:
    conversation = Conversation.objects.create(project=cast.project, user=cast.alice, title="Long")
    ids = [uuid4() for _ in range(2000)]
    Message.objects.bulk_create(
        Message(id=one, parent_id=before, conversation=conversation, role="user", content="x")
        for one, before in zip(ids, [None, *ids], strict=False)
    )
    Conversation.objects.filter(id=conversation.id).update(tip_id=ids[-1])
    assert client_of(cast.alice).post(f"/chat/{conversation.id}/messages/{ids[0]}/delete/").status_code == 302
    conversation.refresh_from_db()
    assert (conversation.messages.count(), conversation.tip_id) == (0, None)


@pytest.mark.parametrize("what", ["", "markdown/", "delete/"])
def test_nobody_else_reads_or_deletes_a_message(cast: Cast, what: str) -> None:
    _conversation, (_, answer) = write(cast, messages=2)
    for user in (cast.bob, cast.mallory):
        client = client_of(user)
        response = client.post(address(answer, what)) if what == "delete/" else client.get(address(answer, what))
        assert response.status_code == 404
    assert Message.objects.filter(id=answer.id).exists()


def test_a_branch_that_is_not_there_is_not_found(cast: Cast) -> None:
    conversation, _made = write(cast, messages=2)
    client = client_of(cast.alice)
    for query in ("?message=nonsense", f"?message={uuid4()}", f"?before={uuid4()}", "?before=1"):
        assert client.get(f"/chat/{conversation.id}/{query}").status_code == 404


def test_a_long_conversation_opens_at_its_end_with_a_way_to_what_was_before(cast: Cast) -> None:
    conversation, made = write(cast, messages=150)
    client = client_of(cast.alice)
    page = client.get(f"/chat/{conversation.id}/").content.decode()
    assert "Message 149" in page
    assert "Message 89<" not in page
    assert f'?before={made[90].id}"' in page
    earlier = client.get(f"/chat/{conversation.id}/?before={made[90].id}").content.decode()
    assert "Message 30<" in earlier
    assert "Message 90<" not in earlier
