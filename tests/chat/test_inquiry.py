"""chat/inquiry.py: what a question asks of the caches, and what keeps two of them apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.types import Actor
from caching.types import Policy, Turn
from chat.inquiry import Inquiry, inquire
from chat.types import Question, TurnStart
from providers.extractive import ExtractiveModel
from providers.registry import get_embedder
from tests.chat.asking import REFUND

POLICY = Policy(
    ttl=3600,
    uses_exact=True,
    uses_semantic=True,
    threshold=0.95,
    error_bound=None,
    asks_second_opinion=False,
    stale_ttl=0,
    epoch=0,
    offset=0.0,
)
START = TurnStart(
    project_id=UUID(int=1),
    corpus_version=7,
    policy=POLICY,
    conversation_id=UUID(int=2),
    is_new=True,
    title="",
    tip=None,
    question_id=UUID(int=3),
    answer_id=UUID(int=4),
)
QUESTION = Question(
    actor=Actor(user_id=UUID(int=5)), project="support", text=REFUND, conversation_id=START.conversation_id
)
SAID = (
    Turn(id=UUID(int=8), role="user", content="Answer in French."),
    Turn(id=UUID(int=9), role="assistant", content="Oui."),
)


class Model(ExtractiveModel):
    def __init__(self, identity: str) -> None:
        self.identity = identity


def asks(text: str = REFUND, history: tuple[Turn, ...] = (), **fields: Any) -> Inquiry:  # Any: a question's fields
    return inquire(replace(QUESTION, text=text, **fields), START, history, ExtractiveModel(), get_embedder())


def keys(inquiry: Inquiry) -> tuple[str, str, str]:
    return inquiry.scope_key, inquiry.request_key, inquiry.question_key


def test_who_asks_where_and_how_does_not_matter() -> None:
    other = asks(
        actor=Actor(user_id=uuid4(), project_id=START.project_id), conversation_id=uuid4(), origin="api", is_kept=False
    )
    assert keys(other) == keys(asks())


@pytest.mark.parametrize(
    "text", [f" {REFUND}\r\n", REFUND + "\n\n", "\u00a0" + REFUND], ids=["spaces", "line ends", "a hard space"]
)
def test_the_same_words_are_the_same_request(text: str) -> None:
    assert keys(asks(text)) == keys(asks())


def test_history_makes_another_request_of_the_same_question_and_keeps_it_out_of_the_semantic_layer() -> None:
    alone, following = asks(), asks(history=SAID)
    assert alone.request_key != following.request_key
    assert alone.question_key == following.question_key
    assert (alone.is_shareable, following.is_shareable) == (True, False)


def test_what_was_said_before_matters_word_by_word_and_by_whom() -> None:
    swapped = tuple(replace(turn, role="user" if turn.role == "assistant" else "assistant") for turn in SAID)
    moved = (replace(SAID[0], content="Answer in French.Oui."), replace(SAID[1], content=""))
    histories: list[tuple[Turn, ...]] = [(), SAID, SAID[:1], SAID[::-1], swapped, moved]
    assert len({asks(history=history).request_key for history in histories}) == len(histories)


def test_the_ids_of_what_was_said_before_do_not_matter() -> None:
    again = tuple(replace(turn, id=uuid4()) for turn in SAID)
    assert keys(asks(history=SAID)) == keys(asks(history=again))


def test_each_wall_keeps_requests_apart() -> None:
    embedder = get_embedder()
    inquiries = [
        inquire(QUESTION, START, (), ExtractiveModel(), embedder),
        inquire(QUESTION, replace(START, project_id=UUID(int=99)), (), ExtractiveModel(), embedder),
        inquire(QUESTION, START, (), Model("https://other|model"), embedder),
        inquire(QUESTION, START, (), Model("https://other|model "), embedder),
    ]
    assert len({inquiry.scope_key for inquiry in inquiries}) == len(inquiries)
    assert len({inquiry.request_key for inquiry in inquiries}) == len(inquiries)
    assert len({inquiry.question_key for inquiry in inquiries}) == 1


def test_another_prompt_is_another_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(asks())
    monkeypatch.setattr("chat.inquiry.VERSION", "another")
    after = keys(asks())
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("fields", "ttl", "expected"),
    [
        ({}, 3600, (True, True)),
        ({"fresh": True}, 3600, (False, True)),
        ({"no_store": True}, 3600, (True, False)),
        ({"fresh": True, "no_store": True}, 3600, (False, False)),
        ({}, 0, (False, False)),
    ],
)
def test_what_may_be_read_and_written(fields: dict[str, bool], ttl: int, expected: tuple[bool, bool]) -> None:
    start = replace(START, policy=replace(POLICY, ttl=ttl))
    found = inquire(replace(QUESTION, **fields), start, (), ExtractiveModel(), get_embedder())  # type: ignore[arg-type]  # booleans
    assert (found.may_read, found.may_write) == expected


def test_a_follow_up_is_searched_together_with_the_question_before_it() -> None:
    assert asks("And by express?", history=SAID).search_text == "Answer in French.\nAnd by express?"


storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60)


@settings(deadline=None)
@given(storable, storable)
def test_two_texts_share_a_key_only_where_they_are_one_text(one: str, other: str) -> None:
    first, second = asks(one), asks(other)
    assert (first.request_key == second.request_key) == (first.search_text == second.search_text)
    assert (first.question_key == second.question_key) == (first.search_text == second.search_text)


@settings(deadline=None)
@given(storable, storable)
def test_no_question_can_pass_for_another_with_its_history(said: str, text: str) -> None:
    turn = Turn(id=UUID(int=1), role="user", content=said)
    assert asks(text, history=(turn,)).request_key != asks(f"{said}\n{text}").request_key
    assert asks(text, history=(turn,)).request_key != asks(text).request_key
