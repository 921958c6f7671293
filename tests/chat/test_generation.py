"""chat/generation.py: what crosses processes comes out as it went in, and only good answers are kept."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Project
from caching.models import CacheEntry
from caching.types import Source
from chat.generation import Step, Written, decode, encode, is_admissible
from chat.models import Message
from chat.types import AnswerCompleted, AnswerFailed, SourcesFound, TextDelta
from core.database import in_db
from providers.types import Completion, Usage
from tests.chat.asking import AGAIN, REFUND, ask, change, counted, status
from tests.conftest import Cast, make_question, tell
from tests.upstream import Reply, Upstream

texts = st.text(max_size=200)
numbers = st.integers(0, 2**31)
sources = st.builds(
    Source,
    n=st.integers(1, 99),
    chunk_id=st.uuids(),
    content_hash=texts,
    document_id=st.uuids(),
    document=texts,
    locator=texts,
    text=texts,
    similarity=st.floats(-1, 1),
)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(SourcesFound, sources=st.lists(sources, max_size=5).map(tuple)),
    st.builds(TextDelta, text=texts),
    st.builds(
        Written,
        completion=st.builds(
            Completion,
            model=texts,
            finish_reason=texts,
            usage=st.builds(Usage, prompt_tokens=numbers, completion_tokens=numbers),
        ),
    ),
)


@given(steps)
def test_a_step_survives_the_way_to_another_process(step: Step) -> None:
    assert decode(encode(step)) == step


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b'["Written"]',
        b'["Written", {}]',
        b'["Stopped", {}]',
        b'["SourcesFound", {"sources": null}]',
        b'["SourcesFound", {"sources": [{}]}]',
        b'["Written", {"completion": {"model": "m", "finish_reason": "stop", "usage": {"tokens": 1}}}]',
        b"\xff",
    ],
)
def test_what_is_no_step_is_refused(value: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(value)


def test_a_step_names_no_class_that_it_may_not_name() -> None:
    value = json.dumps(["Policy", {"ttl": 1}]).encode()
    with pytest.raises(ValueError, match="no step is called"):
        decode(value)


@pytest.mark.parametrize(
    ("text", "sources", "finish_reason", "expected"),
    [
        ("They have 30 days [1].", 2, "stop", True),
        ("They have 30 days [2][1].", 2, "stop", True),
        ("They have 30 days [1].", 2, "length", False),
        ("They have 30 days [1].", 2, "content_filter", False),
        ("They have 30 days [1].", 2, "", False),
        ("They have 30 days [1].", 0, "stop", False),
        ("They have 30 days [3].", 2, "stop", False),
        ("They have 30 days.", 2, "stop", False),
        ("The documents do not say.", 2, "stop", False),
        ("Write `days[1]`.", 2, "stop", False),  # code cites nothing
        ("See [1](https://example.org).", 2, "stop", False),  # nor does a link
        ("", 2, "stop", False),
    ],
)
def test_only_whole_and_grounded_answers_are_admissible(
    text: str, sources: int, finish_reason: str, expected: bool
) -> None:
    assert is_admissible(text, sources, Completion(model="m", finish_reason=finish_reason)) is expected


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text="They have 30 days [1].", finish_reason="length"),
        Reply(text="I cannot help with that."),
        Reply(text="The documents do not hold the answer."),
        Reply(text="They have 30 days [7]."),
        Reply(text="[9]"),
        Reply(text="They have 30 days [1].", cut_after=3),
        Reply(text="They have 30 days [1].", finish_reason=None),
        Reply(text=" "),
        Reply(status=400),
    ],
    ids=lambda reply: f"{reply.text} {reply.finish_reason} {reply.status}",
)
async def test_what_is_not_whole_or_not_grounded_is_in_no_cache(
    cast: Cast, project: Project, upstream: Upstream, reply: Reply
) -> None:
    upstream.replies.append(reply)
    await tell(make_question(cast, REFUND))
    assert not await in_db(CacheEntry.objects.exists)()
    assert await status(cast) == "miss"


async def test_it_is_kept_under_the_model_that_really_answered(
    cast: Cast, project: Project, upstream: Upstream
) -> None:
    upstream.enqueue("They have 30 days [1].", model="test-model-2026-11")
    await ask(cast)
    assert (await in_db(CacheEntry.objects.get)()).model == "test-model-2026-11"
    assert (await ask(cast)).model == "test-model-2026-11"


async def test_a_project_that_caches_nothing_keeps_nothing(cast: Cast, project: Project, upstream: Upstream) -> None:
    await change(project, cache_ttl=0)
    assert [await status(cast), await status(cast)] == ["miss", "miss"]
    assert not await in_db(CacheEntry.objects.exists)()


def sse(*contents: str, usage: str = "null", reason: str = "stop", model: str = "test-model") -> bytes:
    """A model's stream with these pieces of JSON, just as they stand."""
    deltas = [f'{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}' for content in contents]
    choices = [*deltas, f'{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}']
    head = f'"id":"1","object":"chat.completion.chunk","created":1,"model":"{model}","usage":{usage}'
    return "".join(f'data: {{{head},"choices":[{choice}]}}\n\n' for choice in choices).encode() + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "contents",
    [
        ("They have 30 days [1] ", "\\ud83d", "\\ude42."),  # an emoji in two tokens, as some servers send it
        ("They have 30 days [1] \\ud83d.",),
        ("They have \\u0000 30 days [1].",),
        ("They have 30 days \\u202e[1]\\ufffe.",),
    ],
    ids=["an emoji in halves", "half an emoji", "NUL", "controls"],
)
async def test_odd_characters_of_a_model_cost_no_answer(
    cast: Cast, project: Project, upstream: Upstream, contents: tuple[str, ...]
) -> None:
    upstream.enqueue(raw=sse(*contents))
    last = (await tell(make_question(cast, REFUND)))[-1]
    assert not isinstance(last, AnswerFailed), last
    assert isinstance(last, AnswerCompleted)
    stored = await in_db(Message.objects.get)(id=last.answer_id)
    assert stored.status == "complete"
    assert stored.content == last.text
    again = await ask(cast, AGAIN)
    assert again.text == last.text


@pytest.mark.parametrize(
    "stream",
    [
        sse("30 days [1].", usage='{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}'),
        sse("30 days [1].", usage='{"prompt_tokens":-5,"completion_tokens":-1,"total_tokens":0}'),
        sse("30 days [1].", model="m" * 300),
        sse("30 days [1].", model="a\\u0000b"),
        sse("30 days [1].", reason="because " * 20),
    ],
    ids=["no figures", "negative figures", "a long name", "NUL in the name", "a long reason"],
)
async def test_odd_figures_and_names_of_a_model_cost_no_answer(
    cast: Cast, project: Project, upstream: Upstream, stream: bytes
) -> None:
    upstream.enqueue(raw=stream)
    last = (await tell(make_question(cast, REFUND)))[-1]
    assert isinstance(last, AnswerCompleted), last
    assert last.text == "30 days [1]."
    assert (await counted(project))["requests"] == 1


def test_identities_are_told_apart_from_texts() -> None:
    source = Source(
        n=1,
        chunk_id=UUID(int=1),
        content_hash="h",
        document_id=UUID(int=2),
        document="d",
        locator="",
        text=str(UUID(int=3)),
        similarity=0.0,
    )
    step = decode(encode(SourcesFound(sources=(source,))))
    assert isinstance(step, SourcesFound)
    assert step.sources[0].text == str(UUID(int=3))
    assert step.sources[0].chunk_id == UUID(int=1)
