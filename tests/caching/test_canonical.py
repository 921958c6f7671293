"""caching/canonical.py: equal requests have equal keys, and no two others do."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caching.canonical import body_key, canonical_text, history_digest, request_key
from caching.types import Scope, Turn
from core.errors import InvalidInput

SCOPE = Scope(
    project_id=UUID(int=7), model="gpt-x", prompt_version="1", embedding="local|all-MiniLM-L6-v2", language="en"
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)
words = st.text(st.characters(codec="ascii", exclude_characters="\x00\r"), min_size=1, max_size=20)
roles = st.sampled_from(["user", "assistant"])
histories = st.lists(st.builds(lambda role, content: Turn(id=uuid4(), role=role, content=content), roles, texts))


# --- canonical_text -----------------------------------------------------------------------------


@given(texts)
def test_what_is_canonical_stays_as_it_is(text: str) -> None:
    once = canonical_text(text)
    assert canonical_text(once) == once


@given(texts)
def test_blanks_around_and_line_ends_make_no_difference(text: str) -> None:
    assert canonical_text(f" \r\n\t{text}\n ") == canonical_text(text)
    assert canonical_text(text.replace("\r", "").replace("\n", "\r\n")) == canonical_text(text.replace("\r", ""))


@given(texts)
def test_two_ways_to_write_one_character_are_one(text: str) -> None:
    assert canonical_text(unicodedata.normalize("NFD", text)) == canonical_text(unicodedata.normalize("NFC", text))


@given(texts)
def test_a_canonical_text_can_be_stored(text: str) -> None:
    canonical = canonical_text(text)
    assert canonical.encode().decode() == canonical
    assert not {"\r", "\x00"} & set(canonical)
    assert canonical == canonical.strip()


@pytest.mark.parametrize("pair", [("Refund?", "refund?"), ("a b", "a  b"), ("2²", "22"), ("ﬁ", "fi"), ("ß", "ss")])
def test_what_may_mean_something_else_stays_different(pair: tuple[str, str]) -> None:
    assert canonical_text(pair[0]) != canonical_text(pair[1])


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff", "a\x00b", "\x00"])
def test_what_is_not_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        canonical_text(text)


# --- request_key --------------------------------------------------------------------------------


@given(texts, histories)
def test_equal_requests_have_equal_keys_in_whichever_conversation(question: str, history: list[Turn]) -> None:
    elsewhere = [replace(turn, id=uuid4()) for turn in history]
    written_otherwise = unicodedata.normalize("NFD", f" {question}\r\n")
    assert request_key(SCOPE, question, history) == request_key(SCOPE, written_otherwise, elsewhere)


@given(texts, texts)
def test_two_questions_have_two_keys(one: str, other: str) -> None:
    assume(canonical_text(one) != canonical_text(other))
    assert request_key(SCOPE, one, []) != request_key(SCOPE, other, [])


@given(histories, histories)
def test_two_histories_have_two_keys(one: list[Turn], other: list[Turn]) -> None:
    def said(history: list[Turn]) -> list[tuple[str, str]]:
        return [(turn.role, canonical_text(turn.content)) for turn in history]

    assert (history_digest(one) == history_digest(other)) == (said(one) == said(other))
    assert (request_key(SCOPE, "q", one) == request_key(SCOPE, "q", other)) == (said(one) == said(other))


@pytest.mark.parametrize(
    "other",
    [
        replace(SCOPE, project_id=UUID(int=8)),
        replace(SCOPE, model="gpt-y"),
        replace(SCOPE, prompt_version="2"),
        replace(SCOPE, embedding="local|another"),
        replace(SCOPE, language="de"),
    ],
)
def test_every_wall_of_the_scope_is_in_the_key(other: Scope) -> None:
    assert request_key(SCOPE, "Refunds?", []) != request_key(other, "Refunds?", [])
    assert body_key(SCOPE, {"messages": []}) != body_key(other, {"messages": []})


@given(words, words, words, words)
def test_nothing_can_be_moved_over_the_border_between_two_fields(a: str, b: str, c: str, d: str) -> None:
    assume((a, b) != (c, d))
    one = replace(SCOPE, model=a, prompt_version=b)
    other = replace(SCOPE, model=c, prompt_version=d)
    assert request_key(one, "q", []) != request_key(other, "q", [])


@pytest.mark.parametrize("question", ['","history":"', '{"scope":{}}', "\\", '"', "'; DROP TABLE", "\u2028", "🙂"])
def test_quotes_and_braces_in_a_question_are_only_characters(question: str) -> None:
    assert len(request_key(SCOPE, question, [])) == 64
    turn = Turn(id=uuid4(), role="user", content=question)
    assert request_key(SCOPE, "q", [turn]) != request_key(SCOPE, question, [])


def test_one_long_turn_is_not_two_short_ones() -> None:
    one = [Turn(id=uuid4(), role="user", content='a"],["user","b')]
    two = [Turn(id=uuid4(), role="user", content="a"), Turn(id=uuid4(), role="user", content="b")]
    assert history_digest(one) != history_digest(two)


def test_what_is_asked_of_the_model_is_in_the_key() -> None:
    plain = request_key(SCOPE, "q", [])
    assert plain == request_key(SCOPE, "q", [], {"temperature": 1.0, "user": "alice"})
    assert plain != request_key(SCOPE, "q", [], {"temperature": 0})
    assert plain != request_key(SCOPE, "q", [], {"not_invented_yet": True})


def test_a_question_and_a_whole_request_never_share_a_key() -> None:
    body = {"messages": [{"role": "user", "content": "q"}]}
    assert len({request_key(SCOPE, "q", []), request_key(SCOPE, "q", [], body), body_key(SCOPE, body)}) == 3
