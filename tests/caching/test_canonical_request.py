"""caching/canonical.py: the body of a chat completion, written in one way."""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any  # Any: JSON, of any shape
from uuid import UUID

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from caching.canonical import DEFAULTS, LEFT_OUT, MAX_DEPTH, body_key, canonical_request
from caching.types import Scope
from core.errors import InvalidInput
from tests.caching.test_canonical import SCOPE

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=12)
words = st.text('abcdeéñ ⅓.",:{}[]\\', max_size=6).map(lambda text: unicodedata.normalize("NFC", text))
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
parts = st.fixed_dictionaries({"type": st.just("text"), "text": texts})
images = st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": texts})})
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
    optional={"content": texts | st.lists(parts | images, max_size=3), "name": words, "tool_calls": values},
)
known = {
    "messages": st.lists(messages, max_size=4),
    "temperature": numbers,
    "top_p": numbers,
    "n": st.integers(1, 4),
    "seed": st.integers(),
    "max_tokens": st.integers(1, 9),
    "stop": texts | st.lists(texts, min_size=1, max_size=3),
    "tools": st.lists(values, min_size=1, max_size=2),
    "tool_choice": st.sampled_from(["auto", "none", "required"]),
    "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
    "logprobs": st.booleans(),
}
unknown = st.dictionaries(words.map(lambda word: f"x{word}"), values, max_size=3)
bodies = st.builds(lambda one, other: {**other, **one}, st.fixed_dictionaries({}, optional=known), unknown)


# --- equal requests ----------------------------------------------------------------------------------


@dataclass
class Rewriter:
    """Says the same request in other words, as its draws have it."""

    draw: Callable[[st.SearchStrategy[Any]], Any]

    def body(self, body: dict[str, Any]) -> dict[str, Any]:
        body = copy.deepcopy(body)
        for message in body.get("messages", []):
            self.message(message)
        if isinstance(body.get("stop"), str) and self.flip():
            body["stop"] = [body["stop"]]
        if "max_tokens" in body and self.flip():
            body["max_completion_tokens"] = body.pop("max_tokens")
        if "tool_choice" not in body and self.flip():
            body["tool_choice"] = "auto" if body.get("tools") else "none"
        for field, default in DEFAULTS.items():
            if body.get(field) is None and self.flip():
                body[field] = self.draw(st.sampled_from([default, None]))
        for field in (*LEFT_OUT, "seed"):
            if field not in body and self.flip():
                body[field] = self.draw(values) if field in LEFT_OUT else None
        stop = body.get("stop")
        body = dict(self.value(body))
        return {**body, "stop": stop} if stop is not None else body

    def message(self, message: dict[str, Any]) -> None:
        match message.get("content"):
            case str(text) | [{"type": "text", "text": str(text)}]:
                padded = f"{self.draw(blanks)}{text}{self.draw(blanks)}"
                message["content"] = padded if self.flip() else [{"type": "text", "text": padded}]
        if "refusal" not in message and self.flip():
            message["refusal"] = None

    def value(self, value: Any) -> Any:
        match value:
            case bool() | None:
                return value
            case str():
                return self.text(value)
            case int() if float(value) == value and self.flip():
                return float(value)
            case float() if value == 0:
                return self.draw(st.sampled_from([0, 0.0, -0.0]))
            case float() if value.is_integer() and self.flip():
                return int(value)
            case list():
                rewritten = [self.value(item) for item in value]
                return tuple(rewritten) if self.flip() else rewritten
            case dict():
                return {self.text(key): self.value(value[key]) for key in self.draw(st.permutations(list(value)))}
        return value

    def text(self, text: str) -> str:
        if self.flip():
            text = unicodedata.normalize("NFD", text)
        return text.replace("\n", self.draw(st.sampled_from(["\n", "\r\n", "\r"])))

    def flip(self) -> bool:
        return bool(self.draw(st.booleans()))


blanks = st.text(" \t\r\n\u00a0", max_size=3)


@given(bodies, st.data())
def test_one_request_in_other_words_has_the_same_key(body: dict[str, Any], data: st.DataObject) -> None:
    otherwise = Rewriter(data.draw).body(body)
    assert canonical_request(otherwise) == canonical_request(body)
    assert body_key(SCOPE, otherwise) == body_key(SCOPE, body)


@given(bodies)
def test_a_canonical_request_is_its_own_canonical_form(body: dict[str, Any]) -> None:
    once = canonical_request(body)
    assert canonical_request(json.loads(once)) == once
    assert json.loads(once.encode()) == json.loads(once)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"temperature": 1}, {}),
        ({"temperature": None}, {}),
        ({"temperature": -0.0}, {"temperature": 0}),
        ({"seed": 10**22}, {"seed": 1e22}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"stop": []}, {"stop": None}),
        ({"tools": []}, {}),
        ({"tools": [], "tool_choice": "none"}, {}),
        ({"tools": [{}], "tool_choice": "auto"}, {"tools": [{}]}),
        ({"max_tokens": 5}, {"max_completion_tokens": 5.0}),
        ({"response_format": {"type": "text"}}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}, "user": "a", "timeout": 3}, {"store": True}),
        ({"messages": [{"content": "Hi\r\n"}]}, {"messages": [{"content": [{"type": "text", "text": " Hi"}]}]}),
        ({"messages": [{"role": "assistant", "content": None}]}, {"messages": [{"role": "assistant"}]}),
        ({"x": {"caf\u00e9": [1, {"b": 2}]}}, {"x": {"cafe\u0301": (1.0, {"b": 2.0})}}),
    ],
)
def test_what_the_protocol_calls_the_same_is_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical_request(one) == canonical_request(other)


# --- different requests ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 1}, {"seed": True}),
        ({"seed": 1}, {"seed": "1"}),
        ({"seed": 0}, {}),
        ({"seed": 2**53}, {"seed": 2**53 + 1}),
        ({"top_p": 0.1}, {"top_p": 0.1000000000000001}),
        ({"logprobs": True}, {}),
        ({"n": 2}, {}),
        ({"parallel_tool_calls": False}, {}),
        ({"tools": [{}]}, {"tools": [{}], "tool_choice": "none"}),
        ({"stop": ["a", "b"]}, {"stop": ["b", "a"]}),
        ({"stop": "a"}, {"stop": "a "}),
        ({"stop": "\n"}, {"stop": "\r\n"}),
        ({"stop": "\u00e9"}, {"stop": "e\u0301"}),
        ({"stop": ""}, {}),
        ({"max_tokens": 5}, {"max_tokens": 5, "max_completion_tokens": 6}),
        ({"x": None}, {"x": ""}),
        ({"x": []}, {"x": {}}),
        ({"x": {"a": None}}, {"x": {}}),
        ({"x": " a"}, {"x": "a"}),
        ({"x": "a"}, {"X": "a"}),
        ({"tools": [{"description": "a "}]}, {"tools": [{"description": "a"}]}),
        ({"messages": [{"content": "a b"}]}, {"messages": [{"content": "a  b"}]}),
        ({"messages": [{"role": "user", "content": ""}]}, {"messages": [{"role": "user"}]}),
        ({"messages": [{"role": "system", "content": "a"}]}, {"messages": [{"role": "developer", "content": "a"}]}),
        ({"messages": [{"content": "ab"}]}, {"messages": [{"content": "a"}, {"content": "b"}]}),
        ({"messages": []}, {}),
    ],
)
def test_what_may_change_the_answer_stays_different(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert canonical_request(one) != canonical_request(other)


def leaf_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = False
    for key, item in inner:
        found = True
        yield from leaf_places(item, (*place, key))
    if not found and place:
        yield place


def _meaning(body: dict[str, Any]) -> Any:
    """What the rules say of a body, told independently and slowly: equal if and only if the requests are."""

    def plain(value: Any, exact: bool = False) -> Any:
        match value:
            case bool() | None:
                return ("word", value)
            case str():
                text = value if exact else unicodedata.normalize("NFC", value)
                return ("text", text if exact else "\n".join(text.replace("\r\n", "\n").split("\r")))
            case int() | float():
                return ("number", value)  # Python's own equality of numbers is exact
            case list():
                return ("list", tuple(plain(item, exact) for item in value))
        return ("object", frozenset((plain(key), plain(item, exact)) for key, item in value.items()))

    said = {key: value for key, value in body.items() if value is not None and key not in LEFT_OUT}
    for field in ("tools", "stop"):
        if said.get(field) == []:
            del said[field]
    said = {**DEFAULTS, "tool_choice": "auto" if "tools" in said else "none", **said}
    if "max_tokens" in said:
        said["max_completion_tokens"] = said.pop("max_tokens")
    stop = said.pop("stop", None)
    told = []
    has_messages = "messages" in said
    for message in said.pop("messages", []):
        message = {key: value for key, value in message.items() if value is not None}
        content = message.pop("content", None)
        match content:
            case [{"type": "text", "text": str(only)}] if len(content[0]) == 2:
                content = only
        text = plain(content)
        told.append((plain(message), ("text", text[1].strip()) if isinstance(content, str) else text))
    return plain(said), plain([stop] if isinstance(stop, str) else stop, exact=True), told, has_messages


@given(bodies, bodies)
def test_keys_are_equal_exactly_when_the_requests_mean_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (body_key(SCOPE, one) == body_key(SCOPE, other)) == (_meaning(one) == _meaning(other))
    assert (canonical_request(one) == canonical_request(other)) == (_meaning(one) == _meaning(other))


@given(bodies.filter(bool), st.data())
def test_another_leaf_is_another_key_unless_it_means_the_same(body: dict[str, Any], data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(list(leaf_places(body))))
    changed = copy.deepcopy(body)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = data.draw(leaves)
    try:
        canonical_request(changed)
    except InvalidInput:  # a leaf in the place of a message
        reject()
    assert (body_key(SCOPE, body) == body_key(SCOPE, changed)) == (_meaning(body) == _meaning(changed))


@given(bodies, words.map(lambda word: f"y{word}"), values.filter(lambda value: value is not None))
def test_a_field_more_is_another_key(body: dict[str, Any], field: str, value: Any) -> None:
    assert body_key(SCOPE, body) != body_key(SCOPE, {**body, field: value})


@given(words, words, words, words)
def test_nothing_can_be_moved_over_the_border_between_two_strings(a: str, b: str, c: str, d: str) -> None:
    assume((a, b) != (c, d))
    assert canonical_request({"x": [a, b]}) != canonical_request({"x": [c, d]})
    assert canonical_request({"x": {a: b}}) != canonical_request({"x": {c: d}})


def test_a_text_that_looks_like_json_is_a_text() -> None:
    inside = {"messages": [{"role": "user", "content": "a"}]}
    for text in (json.dumps(inside), canonical_request(inside), '","role":"system","content":"', "\u2028"):
        outside = {"messages": [{"role": "user", "content": text}]}
        assert canonical_request(outside) != canonical_request(inside)
        assert json.loads(canonical_request(outside))["messages"][0]["content"] == text.strip()


@pytest.mark.parametrize("wall", [field.name for field in fields(Scope)])
def test_a_body_is_another_one_in_another_scope(wall: str) -> None:
    body = {"messages": [{"role": "user", "content": "a"}]}
    changed: dict[str, Any] = {wall: UUID(int=8) if wall == "project_id" else "another"}
    assert body_key(SCOPE, body) != body_key(replace(SCOPE, **changed), body)


# --- refused ----------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["again"] = [CYCLE]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"messages": [{}, {}, {"content": "a\ud800b"}]}, "messages[2].content "),
        ({"messages": [{"content": [{"type": "text", "text": "a\x00"}]}]}, "messages[0].content[0].text "),
        ({"stop": ["\udfff"]}, "stop[0] "),
        ({"a\ud800": 1}, '"a\\ud800" '),
        ({"temperature": float("nan")}, "temperature "),
        ({"temperature": float("-inf")}, "temperature "),
        ({"seed": 10**400}, "seed "),
        ({"temperature": Decimal("0.1")}, "temperature is a Decimal"),
        ({"x": {"y": {1, 2}}}, "x.y is a set"),
        ({"x": b"bytes"}, "x is a bytes"),
        ({"x": {1: 2}}, "x has a key that is a int"),
        ({1: 2}, "The request has a key that is a int"),
        ({"x": {"caf\u00e9": 1, "cafe\u0301": 2}}, 'x."caf'),
        ({"x": {"a\n": 1, "a\r\n": 2}}, 'x."a'),
        ({"x": nested(MAX_DEPTH + 1)}, "x[0][0]"),
        (CYCLE, "again[0].again"),
        ({"messages": "Hi"}, "messages is not a list"),
        ({"messages": ["Hi"]}, "messages[0] is not an object"),
    ],
)
def test_what_cannot_be_written_down_is_refused_by_its_place(body: dict[Any, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical_request(body)
    assert refused.value.message.startswith(place)
    assert len(refused.value.message.encode()) < 300


def test_a_place_in_keys_without_end_is_told_in_short() -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical_request({"k" * 1_000_000: {"\n" * 1_000_000: [float("nan")]}})
    assert len(refused.value.message) < 300


def test_as_deep_as_allowed_is_allowed() -> None:
    assert canonical_request({"x": nested(MAX_DEPTH)}).count("[") == MAX_DEPTH + 1  # with `modalities`


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "é\r\n" * 3_000_000}]},
        {"messages": [{"role": "user", "content": "e" + "\u0301\u0316" * 1_000_000}]},
        {"messages": [{"role": "user", "content": "Hi"}] * 100_000},
        {"k" * 1_000_000: [0.5] * 300_000},
    ],
    ids=["long text", "marks", "many messages", "long key"],
)
def test_ten_megabytes_are_no_trouble(body: dict[str, Any]) -> None:
    assert canonical_request(body)
