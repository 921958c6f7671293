"""providers/openai_compatible.py: OpenAI's SDK against servers that answer, and servers that fail in every way."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from core.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
    StreamCut,
)
from providers.openai_compatible import OpenAIChatModel, OpenAIEmbedder
from providers.registry import get_embedder
from providers.types import ChatMessage, ChatRequest, Completion, Delta, Embedder, Usage, Vectors
from tests.conftest import eventually
from tests.providers.conftest import Endpoint, Wire, as_events, as_json
from tests.upstream import MODEL, Upstream

SECRET = "internal detail of a stranger"
ERROR = {"error": {"message": SECRET, "type": "x", "code": None}}
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


# --- Embeddings: our own server -----------------------------------------------------------------

TEXTS = ["I love dogs", "Quarterly revenue report", "Puppies are wonderful", "x", "Grüße aus 東京 🦊"]


@pytest.fixture
def own() -> Embedder:
    """The one embedder of the process, against our own embedding server on its unix socket."""
    return get_embedder()


async def test_vectors_are_rows_of_length_one_in_the_order_of_the_texts(own: Embedder) -> None:
    vectors = await own.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        (alone,) = await own.embed([text])
        assert np.allclose(vector, alone, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[1]


async def test_both_ways_of_asking_give_the_same_vectors(own: Embedder) -> None:
    assert np.allclose(await own.embed(TEXTS), await asyncio.to_thread(own.embed_sync, TEXTS), atol=1e-6)


async def test_many_may_ask_at_once(own: Embedder) -> None:
    texts = [f"Sentence number {n} about {n * n} things" for n in range(40)]
    together = await own.embed(texts)
    apart = await asyncio.gather(*(own.embed([text]) for text in texts))
    assert np.allclose(together, np.vstack(apart), atol=1e-5)


def test_the_identity_tells_the_kinds_of_vectors_apart(own: Embedder) -> None:
    assert own.identity == "local|all-MiniLM-L6-v2"
    others = {
        OpenAIEmbedder(model=model, base_url=url, api_key="").identity
        for model in ("all-MiniLM-L6-v2", "nomic-embed-text")
        for url in ("http://one.example/v1", "http://two.example/v1")
    }
    assert len(others | {own.identity}) == 5


async def test_an_embedding_server_that_is_away_is_unreachable() -> None:
    embedder = OpenAIEmbedder(model="m", base_url="", api_key="", socket="/nowhere/embeddings.sock")
    with pytest.raises(ProviderUnreachable, match="The embedding model 'm' cannot be reached"):
        await embedder.embed(["x"])


async def test_a_text_that_our_server_refuses_is_told_as_a_refusal(own: Embedder) -> None:
    with pytest.raises(ProviderRefused, match="HTTP 400"):
        await own.embed(["   "])


# --- Embeddings: somebody else's server ---------------------------------------------------------

ROWS = [[3.0, 4.0], [0.0, -2.0], [1.0, 0.0]]
OF_LENGTH_ONE = [[0.6, 0.8], [0.0, -1.0], [1.0, 0.0]]
Embed = Callable[[OpenAIEmbedder], Vectors]


def sync(embedder: OpenAIEmbedder) -> Vectors:
    return embedder.embed_sync(["a", "b", "c"])


def asynchronous(embedder: OpenAIEmbedder) -> Vectors:
    async def embed() -> Vectors:
        return await embedder.embed(["a", "b", "c"])

    return asyncio.run(embed())


both_ways = pytest.mark.parametrize("embed", [sync, asynchronous])


def vectors_of(*rows: object, **fields: object) -> Wire:
    items = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    return as_json({"object": "list", "data": items, "model": "m", "usage": {}, **fields})


def encoded(row: list[float]) -> str:
    return base64.b64encode(np.array(row, dtype="<f4").tobytes()).decode()


@pytest.fixture
def foreign(endpoint: Endpoint) -> OpenAIEmbedder:
    return OpenAIEmbedder(model="m", base_url=endpoint.base_url, api_key="sk-test")


@both_ways
@pytest.mark.parametrize("form", ["base64", "numbers"])
def test_numbers_do_where_base64_was_asked_for(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, form: str
) -> None:
    endpoint.says(vectors_of(*(ROWS if form == "numbers" else map(encoded, ROWS))))
    assert np.allclose(embed(foreign), OF_LENGTH_ONE)
    assert endpoint.history == [{"input": ["a", "b", "c"], "model": "m", "encoding_format": "base64"}]


@both_ways
def test_rows_that_come_out_of_order_are_put_in_order(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed
) -> None:
    items = [{"object": "embedding", "index": index, "embedding": ROWS[index]} for index in (2, 0, 1)]
    endpoint.says(vectors_of(data=items))
    assert np.allclose(embed(foreign), OF_LENGTH_ONE)


NO_VECTORS = {
    "not a number": vectors_of([1, 2], [float("nan"), 1], [1, 2]),
    "not a number, in base64": vectors_of(encoded([1, 2]), encoded([float("nan"), 1]), encoded([1, 2])),
    "infinite": vectors_of([1, 2], [float("inf"), 1], [1, 2]),
    "of no length": vectors_of([1, 2], [0, 0], [1, 2]),
    "of differing lengths": vectors_of([1, 2], [1, 2, 3], [1, 2]),
    "fewer than asked for": vectors_of([1, 2], [3, 4]),
    "more than asked for": vectors_of([1, 2], [3, 4], [5, 6], [7, 8]),
    "empty": vectors_of([], [], []),
    "none": vectors_of(),
    "null": vectors_of(None, None, None),
    "words": vectors_of(["a"], ["b"], ["c"]),
    "no base64": vectors_of("%%%", "%%%", "%%%"),
    "half a number in base64": vectors_of(*["AAA="] * 3),
    "no list": vectors_of(data=None),
    "no object": as_json(None),
    "a list instead of an object": as_json([1]),
    "no JSON": Wire(body=b"{not json", kind="application/json"),
    "a web page": Wire(body=b"<html>hello</html>", kind="text/html"),
}


@both_ways
@pytest.mark.parametrize("case", NO_VECTORS)
def test_what_is_no_vector_never_gets_through(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, case: str
) -> None:
    endpoint.says(NO_VECTORS[case])
    with pytest.raises(ProviderError, match="The embedding model 'm'"):
        embed(foreign)


@both_ways
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderRefused),
        (401, ProviderRefused),
        (403, ProviderRefused),
        (404, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnreachable),
        (503, ProviderUnreachable),
    ],
)
def test_each_refusal_of_an_embedder_is_one_of_our_errors(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, status: int, error: type[ProviderError]
) -> None:
    endpoint.says(as_json(ERROR, status))
    with pytest.raises(ProviderError) as caught:
        embed(foreign)
    assert type(caught.value) is error
    assert "The embedding model 'm'" in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(("status", "setting"), [(401, "POLYAI_EMBEDDING_API_KEY"), (404, "POLYAI_EMBEDDING_MODEL")])
def test_the_advice_names_the_setting_that_is_the_embedders(
    endpoint: Endpoint, foreign: OpenAIEmbedder, status: int, setting: str
) -> None:
    endpoint.says(as_json(ERROR, status))
    with pytest.raises(ProviderRefused) as caught:
        foreign.embed_sync(["a"])
    assert setting in caught.value.message


async def test_a_question_gets_a_second_try_when_the_embedder_stumbles(endpoint: Endpoint) -> None:
    once = threading.Event()

    def stumble(asked: dict[str, Any]) -> Wire:  # Any: what was posted
        if once.is_set():
            return vectors_of([1.0, 0.0])
        once.set()
        return Wire(status=None)

    endpoint.answer = stumble
    embedder = OpenAIEmbedder(model="m", base_url=endpoint.base_url, api_key="sk-test")
    assert np.allclose(await embedder.embed(["a"]), [[1, 0]])
    assert len(endpoint.history) == 2
