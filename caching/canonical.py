"""One way to write a request down, so that equal requests have equal keys and no two others do.

Two requests are equal when the protocol says so, whoever answers them; in doubt they are two, for a needless
miss costs a little and a wrong hit costs the trust. What makes no difference:

- the order of an object's keys; `1`, `1.0` and `1e0`; `-0` and `0` (but `true` is not `1`);
- Unicode's normal form and the line ends of every string, save in `stop`, which is compared with the answer
  character by character;
- blanks around a message's text. Inside a content of several parts, in tools, schemas and everything else blanks
  stay: nobody knows there what they border on;
- a field that is null, and a field that says the protocol's default (`DEFAULTS`);
- `content` as a string or as one text part; `stop` as a string or as a list of one; `max_tokens` or
  `max_completion_tokens`; a message's field that is null, as SDKs give messages back;
- the fields in `LEFT_OUT`.

All else does, fields that nobody knows yet included. The order of `stop` does too: servers look for its strings
in turn.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from caching.types import Scope, Turn
from core.errors import InvalidInput
from core.text import is_storable, nfc

Place = tuple[str | int, ...]  # the way to a value: its keys and its positions
MAX_DEPTH = 64
MAX_BITS = 1024  # of an integer: the range of JSON's other numbers

LEFT_OUT = (
    # how the answer is sent, not what it says
    "stream",
    "stream_options",
    # who asks: the scope has walls for that
    "user",
    "safety_identifier",
    # notes for the provider's own books and evaluations
    "metadata",
    "store",
    # how soon and at what price the provider works, and how long we wait
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "timeout",
    "request_timeout",
)

# As OpenAI documents them. A default that differs from model to model (`reasoning_effort`) is not one of these.
DEFAULTS: Mapping[str, object] = {
    "frequency_penalty": 0,
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "temperature": 1,
    "top_p": 1,
}
NONE_WHEN_EMPTY = ("functions", "logit_bias", "stop", "tools")


def canonical_text(text: str) -> str:
    """NFC, LF line ends, no blanks around. Raises InvalidInput for what is not text."""
    if not is_storable(text):
        raise InvalidInput(
            _("The text has a NUL byte or a broken character (half a surrogate pair). Send it as UTF-8.")
        )
    return _uniform(text).strip()


def canonical_request(body: Mapping[str, object]) -> str:
    """The canonical JSON of a chat completion's body, or of a part of one: linear in its length.

    Raises InvalidInput, which names the place, for what JSON has no word for (NaN, half a surrogate pair, a key
    that is no string), for a NUL, for two keys that are one in NFC and for nesting deeper than 64.
    """
    return _json(_filled_in(_object(body, ())))


def history_digest(history: Sequence[Turn]) -> str:
    """SHA-256 of what was said before; the same for the same words, in whichever conversation."""
    return _sha256([[turn.role, canonical_text(turn.content)] for turn in history])


def question_key(question: str) -> str:
    """SHA-256 of a question alone, in whichever scope it is asked."""
    return _sha256([canonical_text(question)])


def scope_key(scope: Scope) -> str:
    """SHA-256 of the walls around an answer."""
    return _sha256(_walls(scope))


def request_key(
    scope: Scope, question: str, history: Sequence[Turn], parameters: Mapping[str, object] | None = None
) -> str:
    """SHA-256, in hexadecimal, of a question within its scope, its history and what it asks of the model."""
    return _sha256(
        {
            "scope": _walls(scope),
            "question": canonical_text(question),
            "history": history_digest(history),
            "parameters": canonical_request(parameters or {}),
        }
    )


def body_key(scope: Scope, body: Mapping[str, object]) -> str:
    """SHA-256, in hexadecimal, of a whole chat completion's body within its scope; never a `request_key`."""
    return _sha256({"scope": _walls(scope), "body": canonical_request(body)})


def _walls(scope: Scope) -> dict[str, object]:
    return {**asdict(scope), "project_id": str(scope.project_id)}


# --- the fields of a request ----------------------------------------------------------------------


def _filled_in(request: dict[str, object]) -> dict[str, object]:
    """A request whose values are in canonical form, with each field said once and in one way."""
    given = {
        field: value
        for field, value in request.items()
        if value is not None and field not in LEFT_OUT and not (field in NONE_WHEN_EMPTY and value in ([], {}))
    }
    if "max_completion_tokens" not in given and "max_tokens" in given:  # the older name of the same
        given["max_completion_tokens"] = given.pop("max_tokens")
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    choices = {"tool_choice": "tools" in given, "function_call": "functions" in given}
    automatic = {field: "auto" if is_free else "none" for field, is_free in choices.items()}
    if "messages" in given:
        given["messages"] = _messages(given["messages"])
    return {**DEFAULTS, **automatic, **given}


def _messages(messages: object) -> list[object]:
    if not isinstance(messages, list):
        raise _refused(("messages",), _("%(place)s is not a list."))
    return [_message(message, ("messages", number)) for number, message in enumerate(messages)]


def _message(message: object, place: Place) -> dict[str, object]:
    if not isinstance(message, dict):
        raise _refused(place, _("%(place)s is not an object."))
    said = {field: value for field, value in message.items() if value is not None}
    match said.get("content"):
        case str(text):
            said["content"] = text.strip()
        case [{"type": "text", "text": str(text), **more}] if not more:
            said["content"] = text.strip()
    return said


# --- the values -----------------------------------------------------------------------------------


def _written(value: object, place: Place) -> object:
    """A JSON value in canonical form."""
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, place)
        case int() | float():
            return _number(value, place)
        case Mapping():
            return _object(value, place)
        case list() | tuple():
            _check_depth(place)
            return [_written(item, (*place, number)) for number, item in enumerate(value)]
    raise _refused(place, _("%(place)s is a %(kind)s, for which JSON has no word."), kind=type(value).__name__)


def _object(value: Mapping[Any, object], place: Place) -> dict[str, object]:  # Any: a caller's keys, checked here
    _check_depth(place)
    written: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _refused(place, _("%(place)s has a key that is a %(kind)s, not a string."), kind=type(key).__name__)
        here = (*place, key)
        name = _text(key, here)
        if name in written:
            raise _refused(here, _("%(place)s is there twice, in two ways to write one Unicode text."))
        written[name] = _written(item, here)
    return written


def _text(text: str, place: Place) -> str:
    if not is_storable(text):
        told = _("%(place)s has a NUL byte or a broken character (half a surrogate pair); send it as UTF-8.")
        raise _refused(place, told)
    return text if place[:1] == ("stop",) else _uniform(text)


def _uniform(text: str) -> str:
    return nfc(text).replace("\r\n", "\n").replace("\r", "\n")


def _number(number: int | float, place: Place) -> int | float:
    """Whole numbers as integers, exact at any size; `json` writes all others in the shortest way that is exact."""
    if not math.isfinite(number) if isinstance(number, float) else number.bit_length() > MAX_BITS:
        raise _refused(place, _("%(place)s is not a number that JSON can carry (NaN, infinite or too large)."))
    return int(number) if number == int(number) else float(number)


def _check_depth(place: Place) -> None:
    if len(place) > MAX_DEPTH:
        raise _refused(place, _("%(place)s is nested more than %(most)s levels deep."), most=MAX_DEPTH)


def _refused(place: Place, told: str, **values: object) -> InvalidInput:
    return InvalidInput(told % {"place": _shown(place) or _("The request"), **values})


def _shown(place: Place) -> str:
    """`messages[2].content`, and short, whatever the keys are."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_shown_key(part)}" for part in place[:8])
    return "".join(parts).removeprefix(".") + ("…" if len(place) > 8 else "")


def _shown_key(key: str) -> str:
    short = key if len(key) <= 40 else f"{key[:40]}…"
    return short if key.isascii() and key.isidentifier() else json.dumps(short)


def _json(value: Mapping[str, object] | Sequence[object]) -> str:
    # JSON quotes every string, so that no delimiter inside one can look like a border between two.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _sha256(value: Mapping[str, object] | Sequence[object]) -> str:
    return hashlib.sha256(_json(value).encode()).hexdigest()
