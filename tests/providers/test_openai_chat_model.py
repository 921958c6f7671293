"""providers/openai_compatible.py: chat through OpenAI's SDK, with servers that answer and servers that fail."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace

import pytest

from core.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
    StreamCut,
)
from providers.openai_compatible import OpenAIChatModel
from providers.types import ChatMessage, ChatRequest, Completion, Delta, Usage
from tests.conftest import eventually
from tests.providers.conftest import ERROR, SECRET, Endpoint, Wire, as_events, as_json
from tests.upstream import MODEL, Upstream

REQUEST = ChatRequest(
    messages=(ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Why?")),
    question="Why?",
    passages=("Because.",),
)


def word(text: str, finish_reason: str | None = None, model: str = MODEL) -> dict[str, object]:
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}


def chat_model(base_url: str, timeout: float = 5.0, key: str = "sk-test") -> OpenAIChatModel:
    return OpenAIChatModel(model=MODEL, base_url=base_url, api_key=key, timeout=timeout)


async def tell(model: OpenAIChatModel, heard: list[str] | None = None) -> list[Delta | Completion]:
    """The whole stream; `heard` gets the words as they come."""
    parts = []
    async with aclosing(model.stream(REQUEST)) as stream:
        async for part in stream:
            parts.append(part)
            if heard is not None and isinstance(part, Delta):
                heard.append(part.text)
    return parts


# --- A stream that goes well --------------------------------------------------------------------


@pytest.fixture
def talker(upstream_server: Upstream) -> Upstream:
    upstream_server.reset()
    return upstream_server


async def test_a_stream_is_its_words_and_then_one_completion(talker: Upstream) -> None:
    talker.enqueue("Because I say so.")
    *words, last = await tell(chat_model(talker.base_url))
    assert words == [Delta(text=text) for text in ("Because", " I", " say", " so.")]
    assert last == Completion(model=MODEL, finish_reason="stop", usage=Usage(prompt_tokens=100, completion_tokens=4))


async def test_the_model_that_really_answered_is_told(talker: Upstream) -> None:
    talker.enqueue("Yes.", model="test-model-2026-11-20")
    (*_, last) = await tell(chat_model(talker.base_url))
    assert isinstance(last, Completion)
    assert last.model == "test-model-2026-11-20"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_reason_for_the_end_is_told(talker: Upstream, reason: str) -> None:
    talker.enqueue("Yes.", finish_reason=reason)
    (*_, last) = await tell(chat_model(talker.base_url))
    assert isinstance(last, Completion)
    assert last.finish_reason == reason


async def test_the_messages_are_sent_as_they_are_and_nothing_else_is(talker: Upstream) -> None:
    await tell(chat_model(talker.base_url))
    assert talker.history == [
        {
            "model": MODEL,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


async def test_a_server_that_counts_no_tokens_is_understood(endpoint: Endpoint) -> None:
    endpoint.says(as_events(word("Yes."), word("", "stop")))
    assert await tell(chat_model(endpoint.base_url)) == [
        Delta(text="Yes."),
        Completion(model=MODEL, finish_reason="stop", usage=Usage()),
    ]


WITHOUT_WORDS = {
    "a role": {**word(""), "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
    "an empty delta": {**word(""), "choices": [{"index": 0, "delta": {}, "finish_reason": None}]},
    "no delta": {**word(""), "choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    "an empty list of choices": {**word(""), "choices": []},
    "null for choices": {**word(""), "choices": None},
    "no choices": {"id": "c", "object": "chat.completion.chunk", "created": 1},
}


@pytest.mark.parametrize("case", WITHOUT_WORDS)
async def test_events_without_words_are_passed_over(endpoint: Endpoint, case: str) -> None:
    stream = as_events(WITHOUT_WORDS[case], word("Yes."), WITHOUT_WORDS[case], word("", "stop"))
    endpoint.says(Wire(body=b": still here\n\n" + stream.body))
    first, last = await tell(chat_model(endpoint.base_url))
    assert first == Delta(text="Yes.")
    assert isinstance(last, Completion)


async def test_any_language_arrives_whole(talker: Upstream) -> None:
    talker.enqueue("Grüße 日本語 🦊.")
    parts = await tell(chat_model(talker.base_url))
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == "Grüße 日本語 🦊."


def test_one_model_serves_one_event_loop_after_another(talker: Upstream) -> None:
    model = chat_model(talker.base_url)
    for _ in range(2):
        assert len(asyncio.run(tell(model))) > 1


# --- Leaving early ------------------------------------------------------------------------------


async def gone(endpoint: Endpoint) -> bool:
    return await asyncio.to_thread(endpoint.client_has_gone.wait, 5)


async def test_closing_the_stream_early_closes_the_connection(endpoint: Endpoint) -> None:
    endpoint.says(as_events(word("one"), word(" two"), ending="silent"))
    async with aclosing(chat_model(endpoint.base_url).stream(REQUEST)) as stream:
        assert await anext(stream) == Delta(text="one")
        assert not endpoint.client_has_gone.is_set()
    assert await gone(endpoint)


async def test_cancelling_in_the_silence_closes_the_connection_and_stays_a_cancellation(endpoint: Endpoint) -> None:
    endpoint.says(as_events(word("one"), ending="silent"))
    heard: list[str] = []
    task = asyncio.create_task(tell(chat_model(endpoint.base_url), heard))
    await eventually(lambda: heard)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(endpoint)


# --- A stream that goes wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, ProviderRefused, "refused the request (HTTP 400)"),
        (401, ProviderRefused, "Check OPENAI_API_KEY"),
        (403, ProviderRefused, "Check OPENAI_API_KEY"),
        (404, ProviderRefused, "Set POLYAI_CHAT_MODEL"),
        (409, ProviderRefused, "refused the request (HTTP 409)"),
        (422, ProviderRefused, "refused the request (HTTP 422)"),
        (429, ProviderRateLimited, "Try again in a minute"),
        (500, ProviderUnreachable, "failed (HTTP 500)"),
        (503, ProviderUnreachable, "failed (HTTP 503)"),
    ],
)
async def test_each_refusal_is_one_of_our_errors_with_advice(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, status: int, error: type[ProviderError], advice: str
) -> None:
    endpoint.says(as_json(ERROR, status))
    with caplog.at_level(logging.WARNING), pytest.raises(ProviderError) as caught:
        await tell(chat_model(endpoint.base_url))
    assert type(caught.value) is error
    assert caught.value.message.startswith(f"The language model '{MODEL}' ")
    assert advice in caught.value.message
    assert SECRET not in caught.value.message
    assert len(endpoint.history) == 1, "a person is waiting: no silent second try"
    (logged,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert SECRET in logged


@pytest.mark.parametrize(
    ("status", "wait", "told"),
    [
        (429, "1", "is over its limit. Try again in 1 second."),
        (429, "59", "is over its limit. Try again in 59 seconds."),
        (429, "60", "is over its limit. Try again in 1 minute."),
        (429, "61", "is over its limit. Try again in 2 minutes."),
        (429, "0", "is over its limit. Try again in a minute."),
        (503, "30", "failed (HTTP 503). Try again in 30 seconds."),
    ],
)
async def test_how_long_to_wait_is_told_in_seconds_below_a_minute(
    endpoint: Endpoint, status: int, wait: str, told: str
) -> None:
    endpoint.says(replace(as_json(ERROR, status), headers={"Retry-After": wait}))
    with pytest.raises(ProviderError) as caught:
        await tell(chat_model(endpoint.base_url))
    assert caught.value.message.endswith(told)


async def test_a_server_that_is_not_there_is_unreachable(nowhere: str) -> None:
    with pytest.raises(ProviderUnreachable, match=f"'{MODEL}' cannot be reached"):
        await tell(chat_model(nowhere))


async def test_an_address_without_its_scheme_is_unreachable() -> None:
    with pytest.raises(ProviderUnreachable, match="its address is right"):
        await tell(chat_model("localhost:11434/v1"))


FIRST = word("one")
GOES_WRONG = {
    "a connection that is torn before an answer": (Wire(status=None, ending="reset"), ProviderUnreachable, ""),
    "a connection that is closed before an answer": (Wire(status=None), ProviderUnreachable, ""),
    "no answer in time": (Wire(status=None, ending="silent"), ProviderTimeout, ""),
    "no word in time": (Wire(ending="silent"), ProviderTimeout, ""),
    "no further word in time": (as_events(FIRST, ending="silent"), ProviderTimeout, "one"),
    "the body is cut": (as_events(FIRST, ending="cut"), StreamCut, "one"),
    "the connection is torn": (as_events(FIRST, ending="reset"), StreamCut, "one"),
    "the stream just ends": (as_events(FIRST), StreamCut, "one"),
    "the stream is empty": (Wire(), StreamCut, ""),
    "an error instead of a word": (as_events(ERROR), StreamCut, ""),
    "an error after a word": (as_events(FIRST, ERROR), StreamCut, "one"),
    "broken JSON": (Wire(body=b'data: {"choices": [\n\n'), ProviderError, ""),
    "broken JSON after a word": (Wire(body=as_events(FIRST).body + b"data: <html>\n\n"), ProviderError, "one"),
    "a list instead of an event": (as_events(FIRST, [1, 2]), ProviderError, "one"),
    "a number instead of an event": (as_events(FIRST, 7), ProviderError, "one"),
    "null instead of an event": (as_events(FIRST, None), ProviderError, "one"),
    "null for a choice": (as_events(FIRST, {**FIRST, "choices": [None]}), ProviderError, "one"),
}


@pytest.mark.parametrize("case", GOES_WRONG)
async def test_each_break_is_exactly_one_of_our_errors_and_keeps_what_came(endpoint: Endpoint, case: str) -> None:
    wire, error, kept = GOES_WRONG[case]
    endpoint.says(wire)
    heard: list[str] = []
    with pytest.raises(ProviderError) as caught:
        await tell(chat_model(endpoint.base_url, timeout=0.3), heard)
    assert type(caught.value) is error
    assert f"The language model '{MODEL}'" in caught.value.message
    assert SECRET not in caught.value.message
    assert "".join(heard) == kept


async def test_a_fault_of_the_reader_is_not_taken_for_the_models(talker: Upstream) -> None:
    async def read() -> None:
        async with aclosing(chat_model(talker.base_url).stream(REQUEST)) as stream:
            async for _ in stream:
                raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await read()


# --- Bytes and characters ------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
async def test_a_character_that_is_cut_between_two_pieces_arrives_whole(endpoint: Endpoint, piece: int) -> None:
    text = "Grüße, 日本語 und 🦉."
    events = (f'data: {{"choices":[{{"index":0,"delta":{{"content":"{part}"}}}}]}}\n\n' for part in text)
    end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    endpoint.says(Wire(body="".join([*events, end]).encode(), piece=piece))
    parts = await tell(chat_model(endpoint.base_url))
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == text


async def test_bytes_that_are_no_text_break_the_answer_off_and_keep_what_came(endpoint: Endpoint) -> None:
    good = b'data: {"choices":[{"index":0,"delta":{"content":"So far"}}]}\n\n'
    endpoint.says(Wire(body=good + b'data: {"choices":[{"index":0,"delta":{"content":"\xc3\x28\xff"}}]}\n\n'))
    heard: list[str] = []
    with pytest.raises(ProviderError, match="sent something that is not an answer"):
        await tell(chat_model(endpoint.base_url), heard)
    assert heard == ["So far"]
