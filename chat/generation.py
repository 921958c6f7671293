"""Writing one answer: find passages, ask the model, check, admit to the caches.

A generation belongs to nobody in particular: whoever asks the same at the same time shares it (caching.flight),
and it goes on while one of them is there. What it tells crosses processes as bytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.db import DatabaseError
from django.utils.translation import gettext as _

from accounts.selectors import get_corpus_version
from caching import entries, evidence, flight
from caching.exact import sources_of
from caching.types import CachedAnswer
from chat.grounding import check_citations, cited_numbers, highest_number
from chat.inquiry import Inquiry
from chat.lookup import numbered, search
from chat.prompts import build_request
from chat.types import AnswerRestarted, SourcesFound, TextDelta
from core.database import in_db
from core.errors import PolyAIError, ProviderError
from providers import outages
from providers.types import Completion, Usage, Vector

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Ends a generation: the answer is whole, and in the caches if it was good enough. `is_coalesced` for those
    who waited for somebody else's."""

    completion: Completion
    is_coalesced: bool = False
    faults: tuple[str, ...] = ()  # parts that were done without


Step: TypeAlias = SourcesFound | TextDelta | Written


async def share(
    inquiry: Inquiry, vector: Vector | None, answer_id: UUID
) -> AsyncGenerator[Step | AnswerRestarted, None]:
    """The steps of `write`, shared with everybody who asks the same now, in this process and in others.

    Who wants nothing from a cache, or leaves nothing in one, does not share a generation either.
    """

    async def produce() -> AsyncGenerator[bytes, None]:
        async with aclosing(write(inquiry, vector)) as steps:
            async for step in steps:
                yield encode(step)

    is_shared = inquiry.may_read and inquiry.may_write
    name = f"{inquiry.request_key}:{inquiry.corpus_version}" if is_shared else str(answer_id)
    async with flight.ride(name, produce) as items:
        async for item in items:
            if isinstance(item, flight.Restarted):
                yield AnswerRestarted()
                continue
            step = decode(item)
            # Known at the end: of those whose leader died one has taken over.
            yield replace(step, is_coalesced=not items.leads) if isinstance(step, Written) else step


async def write(inquiry: Inquiry, vector: Vector | None) -> AsyncGenerator[Step, None]:
    """SourcesFound, TextDelta …, Written. `vector` is that of the inquiry's search text; without one the passages
    are found by their words. Raises PolyAIError."""
    faults: set[str] = set()
    begun = inquiry.begun
    sources = begun.sources if begun else numbered(await search(inquiry, inquiry.search_text, vector, faults))
    yield SourcesFound(sources=sources)
    parts: list[str] = []
    completion: Completion | None = None
    request = build_request(inquiry.text, inquiry.history, sources, begun=begun.text if begun else "")
    if begun:
        parts.append(begun.text)
        yield TextDelta(text=begun.text)
    async with outages.noted(inquiry.model), aclosing(inquiry.model.stream(request)) as stream:
        async for item in stream:
            if isinstance(item, Completion):
                completion = item
            else:
                parts.append(item.text)
                yield TextDelta(text=item.text)
    text = check_citations("".join(parts), highest_number(sources)).strip()
    if completion is None or not text:
        raise ProviderError(
            _("The language model '%(model)s' gave an empty answer. Ask again.") % {"model": inquiry.model.name}
        )
    if inquiry.may_write and vector is not None and is_admissible(text, len(sources), completion):
        now = datetime.now(UTC)
        answer = CachedAnswer(
            project_id=inquiry.project_id,
            question=inquiry.text,
            text=text,
            sources=sources,
            model=completion.model,
            prompt_tokens=completion.usage.prompt_tokens,
            completion_tokens=completion.usage.completion_tokens,
            corpus_version=inquiry.corpus_version,
            created_at=now,
            expires_at=now + timedelta(seconds=inquiry.policy.ttl),
        )
        await _admit(inquiry, answer, vector)
    yield Written(completion=completion, faults=tuple(sorted(faults)))


def is_admissible(text: str, sources: int, completion: Completion) -> bool:
    """Only answers that are whole and grounded may be given to others. One that cites nothing, as "this is not
    in the documents", is not."""
    return completion.finish_reason == "stop" and bool(cited_numbers(text, sources))


async def _admit(inquiry: Inquiry, answer: CachedAnswer, vector: Vector) -> None:
    """Give an answer to the caches, under the model that wrote it. One whose documents changed while it was being
    written is looked at again: it is admitted if its evidence is still theirs."""
    try:
        if not await _store(inquiry, answer, vector):
            version = await in_db(get_corpus_version)(inquiry.project_id)
            if version == answer.corpus_version:  # an approved answer has its place
                return
            found = numbered(await search(inquiry, inquiry.search_text, vector, set()))
            cited = cited_numbers(answer.text, len(answer.sources))
            renewed = evidence.renewed(answer, cited, found, version)
            if renewed is None or not await _store(inquiry, renewed, vector):
                return
            answer = renewed
        if inquiry.policy.uses_exact:
            await entries.copy(answer, epoch=inquiry.policy.epoch, request_key=inquiry.request_key)
    except (PolyAIError, DatabaseError) as error:
        log.error("an answer could not be cached (%s)", type(error).__name__)


async def _store(inquiry: Inquiry, answer: CachedAnswer, vector: Vector) -> bool:
    return await in_db(entries.admit)(
        answer,
        scope_key=inquiry.scope_key,
        request_key=inquiry.request_key,
        question_key=inquiry.question_key,
        embedding_identity=inquiry.embedder.identity,
        vector=vector if inquiry.is_shareable else None,
    )


def encode(step: Step) -> bytes:
    """A step as bytes, for whoever shares the generation from another process."""
    return json.dumps([type(step).__name__, asdict(step)], default=str, ensure_ascii=False).encode()


def decode(value: bytes) -> Step:
    """The step in what `encode` gave. Raises ValueError, TypeError, KeyError."""
    name, fields = json.loads(value)
    if name == "SourcesFound":
        return SourcesFound(sources=sources_of(fields["sources"]))
    if name == "TextDelta":
        return TextDelta(text=str(fields["text"]))
    if name == "Written":
        completion = fields["completion"]
        usage = Usage(**completion["usage"])
        completion = Completion(**{**completion, "usage": usage})
        return Written(completion=completion, faults=tuple(fields["faults"]))
    raise ValueError(f"no step is called {name!r}")
