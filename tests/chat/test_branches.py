"""Edits, second tries and continued answers: branches of a conversation."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.base import ContentFile
from pytest_django.fixtures import Settings

from accounts.types import Actor
from chat.models import Conversation, Message
from chat.pipeline import answer
from chat.selectors import list_page
from chat.types import AnswerCompleted, AnswerFailed, AnswerStarted, Branch, Event, Question
from core.database import in_db
from core.errors import NotFound
from knowledge import ingestion, services
from knowledge.models import Document
from knowledge.types import Filters
from tests.conftest import Cast, add_document
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture
def document(cast: Cast) -> None:
    add_document(cast.project)


async def ask(cast: Cast, conversation_id: UUID, text: str = REFUND, **fields: Any) -> list[Event]:
    question = Question(
        actor=Actor(user_id=cast.alice.id), project="support", text=text, conversation_id=conversation_id, **fields
    )
    return [event async for event in answer(question)]


def end(events: list[Event]) -> AnswerCompleted:
    assert isinstance(events[-1], AnswerCompleted), events[-1]
    return events[-1]


def begin(events: list[Event]) -> AnswerStarted:
    assert isinstance(events[0], AnswerStarted), events[0]
    return events[0]


def shown(conversation_id: UUID, message_id: UUID | None = None) -> list[str]:
    messages, _is_more = list_page(Conversation.objects.get(id=conversation_id), message_id=message_id)
    return [message.content for message in messages]


async def test_an_edited_question_begins_a_branch_beside_the_first(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("Five days [1].")
    first = begin(await ask(cast, conversation_id))
    edit = Branch(kind="edit", message_id=first.question_id)
    await ask(cast, conversation_id, "How long do parcels to Norway take?", branch=edit)
    assert await in_db(shown)(conversation_id) == ["How long do parcels to Norway take?", "Five days [1]."]
    assert await in_db(shown)(conversation_id, first.question_id) == [REFUND, "Thirty days [1]."]
    question = (await in_db(list_page)(await in_db(Conversation.objects.get)()))[0][0]
    assert [str(i) for i in question.siblings].index(str(question.id)) == 1  # type: ignore[attr-defined]


async def test_another_answer_is_always_fresh_and_stands_beside_the_first(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("30 days, says the handbook [1].")
    first = end(await ask(cast, conversation_id))
    again = await ask(cast, conversation_id, "", branch=Branch(kind="regenerate", message_id=first.answer_id))
    assert end(again).cache.status == "bypass"
    assert end(again).text == "30 days, says the handbook [1]."
    assert await in_db(Message.objects.filter(role="user").count)() == 1
    assert await in_db(shown)(conversation_id) == [REFUND, "30 days, says the handbook [1]."]
    assert len(upstream.history) == 2


async def test_another_model_may_give_the_other_answer(
    cast: Cast, document: None, upstream: Upstream, settings: Settings
) -> None:
    settings.CHAT_MODELS = ["larger-model"]
    conversation_id = uuid4()
    first = end(await ask(cast, conversation_id))
    again = Branch(kind="regenerate", message_id=first.answer_id)
    await ask(cast, conversation_id, "", branch=again, model="larger-model")
    assert [asked["model"] for asked in upstream.history] == ["test-model", "larger-model"]
    failed = (await ask(cast, conversation_id, model="unheard-of"))[-1]
    assert isinstance(failed, AnswerFailed)
    assert failed.message == "There is no model 'unheard-of' here. Choose another."


async def test_an_answer_that_was_cut_off_is_continued_from_its_last_whole_word(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    upstream.enqueue("Customers have thirty days [1] after deli very", cut_after=6)
    failed = (await ask(cast, conversation_id))[-1]
    assert isinstance(failed, AnswerFailed)
    assert failed.answer_id is not None
    assert failed.text == "Customers have thirty days [1] after"
    upstream.enqueue("after the delivery [1].")
    more = Branch(kind="continue", message_id=failed.answer_id)
    completed = end(await ask(cast, conversation_id, "", branch=more))
    assert completed.text == "Customers have thirty days [1] after the delivery [1]."
    asked = upstream.history[-1]["messages"]
    assert asked[-2] == {"role": "assistant", "content": "Customers have thirty days [1] "}
    assert asked[-3]["content"] == REFUND
    assert await in_db(shown)(conversation_id) == [REFUND, completed.text]


async def test_what_stands_on_documents_that_have_changed_is_not_continued(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    upstream.enqueue("Customers have thirty days [1] after delivery", cut_after=6)
    failed = (await ask(cast, conversation_id))[-1]
    assert isinstance(failed, AnswerFailed)
    assert failed.answer_id is not None
    await in_db(Document.objects.all().delete)()
    more = Branch(kind="continue", message_id=failed.answer_id)
    refused = (await ask(cast, conversation_id, "", branch=more))[-1]
    assert isinstance(refused, AnswerFailed)
    assert refused.message == "The documents have changed since. Ask again instead."


async def test_a_question_follows_the_answer_that_its_reader_sees(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("Another thirty days [1].")
    upstream.enqueue("Yes [1].")
    first = end(await ask(cast, conversation_id))
    await ask(cast, conversation_id, "", branch=Branch(kind="regenerate", message_id=first.answer_id))
    await ask(cast, conversation_id, "And is it free?", branch=Branch(kind="follow", message_id=first.answer_id))
    assert await in_db(shown)(conversation_id) == [REFUND, "Thirty days [1].", "And is it free?", "Yes [1]."]
    said = [message["content"] for message in upstream.history[-1]["messages"]]
    assert "Thirty days [1]." in said
    assert "Another thirty days [1]." not in said


@pytest.mark.parametrize("kind", ["follow", "edit", "regenerate", "continue"])
async def test_nobody_branches_from_another_conversations_message(
    cast: Cast, document: None, upstream: Upstream, kind: Any
) -> None:
    alices, bobs = uuid4(), uuid4()
    theirs = end(await ask(cast, alices))
    question = Question(
        actor=Actor(user_id=cast.bob.id), project="support", text="How long does it take?", conversation_id=bobs
    )
    assert isinstance([event async for event in answer(question)][-1], AnswerCompleted)
    for conversation_id, message_id in ((bobs, theirs.answer_id), (alices, theirs.answer_id), (uuid4(), uuid4())):
        question = Question(
            actor=Actor(user_id=cast.bob.id),
            project="support",
            text="How long does it take?",
            conversation_id=conversation_id,
            branch=Branch(kind=kind, message_id=message_id),
        )
        failed = [event async for event in answer(question)][-1]
        assert isinstance(failed, AnswerFailed)
        assert failed.status == 404


async def test_a_question_waits_for_an_answer_that_another_process_writes(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()
    first = end(await ask(cast, conversation_id))
    await in_db(Message.objects.filter(id=first.answer_id).update)(status="streaming")
    refused = (await ask(cast, conversation_id))[-1]
    assert isinstance(refused, AnswerFailed)
    assert "still being answered" in refused.message


async def test_restricted_questions_have_a_place_in_the_cache_of_their_own(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    other = await in_db(add_document)(
        cast.project, "# Other\n\nThe other shop takes goods back for 90 days.", "other.md"
    )
    only = Filters(documents=(other.id,))
    upstream.enqueue("Thirty days [1].")
    upstream.enqueue("Ninety days [1].")
    assert end(await ask(cast, uuid4())).text == "Thirty days [1]."
    restricted = end(await ask(cast, uuid4(), filters=only))
    assert restricted.text == "Ninety days [1]."
    assert {source.document for source in restricted.sources} == {"other.md"}
    assert end(await ask(cast, uuid4(), filters=only)).cache.status == "hit-exact"
    assert end(await ask(cast, uuid4())).text == "Thirty days [1]."
    await in_db(add_document)(cast.project, "# Third\n\nNothing of interest is said here.", "third.md")
    again = end(await ask(cast, uuid4(), filters=only))
    assert (again.cache.status, again.text) == ("hit-exact", "Ninety days [1].")
    assert len(upstream.history) == 2


async def test_a_long_conversation_is_shown_from_its_end(cast: Cast, document: None) -> None:
    conversation_id = uuid4()
    await ask(cast, conversation_id)

    def lengthen() -> None:
        conversation = Conversation.objects.get(id=conversation_id)
        tip = conversation.tip_id
        for number in range(100):
            role = "assistant" if number % 2 else "user"
            made = Message.objects.create(conversation=conversation, parent_id=tip, role=role, content=str(number))
            tip = made.id
        Conversation.objects.filter(id=conversation_id).update(tip_id=tip)

    await in_db(lengthen)()
    conversation = await in_db(Conversation.objects.get)()
    page, is_more = await in_db(list_page)(conversation)
    assert ([message.content for message in page], is_more) == ([str(n) for n in range(40, 100)], True)
    earlier, is_more = await in_db(list_page)(conversation, before=page[0].id)
    assert ([message.content for message in earlier][2:], is_more) == ([str(n) for n in range(40)], False)
    whole, is_more = await in_db(list_page)(conversation, message_id=earlier[4].id)
    assert (len(whole), is_more) == (98, True)
    with pytest.raises(NotFound):
        await in_db(list_page)(conversation, message_id=uuid4())


async def test_files_of_a_conversation_answer_there_and_nowhere_else(
    cast: Cast, document: None, upstream: Upstream
) -> None:
    conversation_id = uuid4()

    def attach() -> None:
        file = ContentFile(b"# Mine\n\nMy own shop takes goods back for 77 days.", name="mine.md")
        made = services.upload(
            project=cast.project, name="mine.md", file=file, user=cast.alice, attached_to=conversation_id
        )
        ingestion.ingest(made.document.id)

    await in_db(attach)()
    text = "How many days does my own shop take goods back?"
    upstream.default = Reply(text="For 77 days [1].")
    first = end(await ask(cast, conversation_id, text))
    assert first.sources[0].document == "mine.md"
    assert end(await ask(cast, conversation_id, text, branch=None)).sources[0].document == "mine.md"
    elsewhere = end(await ask(cast, uuid4(), text))
    assert elsewhere.cache.status == "miss"
    assert "mine.md" not in {source.document for source in elsewhere.sources}
    bobs = Question(actor=Actor(user_id=cast.bob.id), project="support", text=text, conversation_id=uuid4())
    seen = end([event async for event in answer(bobs)])
    assert "mine.md" not in {source.document for source in seen.sources}
