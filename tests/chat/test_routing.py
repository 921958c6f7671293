from __future__ import annotations

from uuid import uuid4

import pytest

from caching.types import Turn
from chat.routing import is_shareable, is_standalone, relevant_history, search_text


def said(*texts: str) -> list[Turn]:
    roles = ("user", "assistant")
    return [Turn(id=uuid4(), role=roles[i % 2], content=text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text",
    [
        "How many days do customers have to return goods?",
        "What is the price of express shipping?",
        "Which parcels go to Norway by air?",
        "Explain how refunds are paid to cards",
    ],
)
def test_a_question_that_names_what_it_asks_for_stands_alone(text: str) -> None:
    assert is_standalone(text)


@pytest.mark.parametrize(
    "text",
    [
        "And in winter?",
        "How old is he?",
        "What about the other one?",
        "Why?",
        "continue",
        "Yes",
        "thanks",
        "Tell me more about returning goods",
        "What did you say before about refunds?",
        "What is my name in the handbook?",
        "Und wie lange dauert der Versand nach Norwegen?",
        "Answer in French from now on please",
        "",
    ],
)
def test_in_doubt_it_is_a_follow_up(text: str) -> None:
    assert not is_standalone(text)


def test_among_questions_that_stand_alone_history_does_not_bear_on_the_next() -> None:
    history = said("How many days do customers have to return goods?", "30 [1]")
    assert relevant_history("What is the price of express shipping?", history) == ()
    assert relevant_history("And to Norway?", history) == tuple(history)


def test_an_instruction_bears_on_all_that_follows() -> None:
    history = said("Answer in French from now on please", "D'accord.")
    assert relevant_history("What is the price of express shipping?", history) == tuple(history)


def test_a_follow_up_is_searched_with_the_question_before_it() -> None:
    history = said("What is the price of express shipping?", "12 euros [1]")
    assert search_text("And to Norway?", history) == "What is the price of express shipping?\nAnd to Norway?"
    assert search_text("And to Norway?", ()) == "And to Norway?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I reset my password?", True),
        ("How do customers return their goods?", True),
        ("return policy", True),
        ("What does ERR-4012 mean?", True),
        ("Welche Rücksendefrist gilt für Kunden?", True),
        ("退货政策是什么?", True),
        ("How does PolyAI decide that a cached answer may be served?", True),
        ("How do I change its colour?", False),
        ("What about that?", False),
        ("Is that one cheaper?", False),
        ("How old is he?", False),
        ("Where do they live?", False),
        ("continue", False),
        ("Yes please", False),
        ("ok thanks", False),
        ("Tell me more", False),
        ("2", False),
        ("?!", False),
        ("🙂🙂🙂🙂🙂🙂", False),
        ("", False),
    ],
)
def test_only_a_question_with_content_of_its_own_may_be_matched_by_its_meaning(text: str, expected: bool) -> None:
    assert is_shareable(text, ()) is expected
    assert not is_shareable(text, [Turn(id=uuid4(), role="user", content="Hello")])
