"""Is there an answer already? Each of these gives one that may be served now, or None.

A cached answer is served only if the evidence it was written from is still the evidence: under the version of
the documents that it last saw at once, under another after a search that finds the same passages again. What
fails on the way is a miss, noted in `faults`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace

from django.db import DatabaseError

from accounts.selectors import get_corpus_version
from caching import entries, eviction, evidence, exact, semantic
from caching.canonical import canonical_text
from caching.embeddings import embed_question
from caching.exact import Unreadable
from caching.types import Found, Match, Source
from chat.grounding import cited_numbers, highest_number
from chat.inquiry import Inquiry
from chat.opinion import ask_whether_same
from chat.types import EVERYTHING
from core.database import in_db
from core.errors import ProviderError
from core.redis import RedisAway
from knowledge.retrieval import find
from knowledge.types import Passage
from providers.types import Vector

log = logging.getLogger(__name__)


async def find_exact(inquiry: Inquiry, faults: set[str]) -> Match | None:
    """The answer to this very request, from Redis."""
    policy = inquiry.policy
    if not (inquiry.may_read and policy.uses_exact):
        return None
    try:
        answer = await exact.find(inquiry.project_id, policy.epoch, inquiry.request_key)
    except RedisAway:
        faults.add("redis")
        return None
    except Unreadable:
        faults.add("value")
        return None
    if answer is None:
        return None
    identity = entries.entry_id(inquiry.project_id, inquiry.request_key)
    return await verify(inquiry, Match(entry_id=identity, answer=answer, layer="exact"), faults)


async def embed(inquiry: Inquiry, faults: set[str]) -> Vector | None:
    """The vector of what the inquiry searches for; None when the embedder is down."""
    try:
        return await embed_question(inquiry.embedder, inquiry.search_text)
    except ProviderError as error:
        log.warning("embedder: %s; going on with a search for words", error.message)
        faults.add("embedder")
        return None


async def find_similar(inquiry: Inquiry, vector: Vector | None, faults: set[str]) -> Found:
    """The answer to the same question in other words; and the answer to this very request that Redis lost."""
    if not inquiry.may_read:
        return Found()
    found = Found()
    try:
        if inquiry.policy.uses_semantic and inquiry.is_shareable and vector is not None:
            found = await _by_meaning(inquiry, vector)
            if found.veto == "value":
                faults.add("value")
        if found.match is None and inquiry.policy.uses_exact:
            found = replace(found, match=await _by_key(inquiry))
    except DatabaseError as error:
        log.error("semantic cache: %s; going on without it", type(error).__name__)
        faults.add("semantic")
        return Found()
    except Unreadable as error:
        log.error("cached answer: %s; going on without it", error)
        faults.add("value")
    if found.match is None and found.doubtful is not None:
        found = await _second_opinion(inquiry, found, found.doubtful, faults)
    if found.match is None:
        return found
    match = await verify(inquiry, found.match, faults)
    if match is not None and inquiry.policy.uses_exact and _is_own(inquiry, match):
        await entries.copy(match.answer, epoch=inquiry.policy.epoch, request_key=inquiry.request_key)
    return replace(found, match=match)


async def find_stale(inquiry: Inquiry, faults: set[str]) -> Match | None:
    """An expired answer to this very request, for when no model answers: never one whose documents changed."""
    if not inquiry.may_read:
        return None
    try:
        match = await in_db(entries.find_stale)(inquiry.project_id, inquiry.request_key, inquiry.policy.stale_ttl)
    except (DatabaseError, Unreadable) as error:
        log.error("stale answer: %s; going on without it", type(error).__name__)
        faults.add("value")
        return None
    if match is None:
        return None
    # The models have been waited for: the documents may have changed since the question was asked.
    version = await in_db(get_corpus_version)(inquiry.project_id)
    return await verify(replace(inquiry, corpus_version=version), match, faults)


async def verify(inquiry: Inquiry, match: Match, faults: set[str]) -> Match | None:
    """The match, if its evidence still is what a search for its question finds."""
    answer, version = match.answer, inquiry.corpus_version
    if answer.corpus_version == version:
        return match
    asked = inquiry.search_text if match.layer == "exact" else canonical_text(answer.question)
    try:
        vector = await embed_question(inquiry.embedder, asked)
    except ProviderError:
        faults.add("embedder")
        return None
    found = numbered(await search(inquiry, asked, vector, faults))
    cited = cited_numbers(answer.text, highest_number(answer.sources))
    renewed = evidence.renewed(answer, cited, found, version)
    if renewed is None:
        await in_db(eviction.refute)(match.entry_id, corpus_version=version)
        return None
    await in_db(entries.renew)(match.entry_id, renewed)
    if _is_own(inquiry, match):
        await exact.store(inquiry.policy.epoch, inquiry.request_key, renewed, only_if_there=True)
    return replace(match, answer=renewed)


async def search(inquiry: Inquiry, text: str, vector: Vector | None, faults: set[str]) -> list[Passage]:
    """What the inquiry may be answered from."""
    return await find(
        inquiry.actor, inquiry.project_id, inquiry.embedder, text, vector, faults, filters=inquiry.filters
    )


def _is_own(inquiry: Inquiry, match: Match) -> bool:
    """Whether an answer is this very request's: only then its row tells the name of the copy in Redis."""
    return match.entry_id == entries.entry_id(inquiry.project_id, inquiry.request_key)


def numbered(passages: Sequence[Passage]) -> tuple[Source, ...]:
    """Passages as the sources of an answer, numbered from 1."""
    return tuple(Source(n=n, **asdict(passage)) for n, passage in enumerate(passages, start=1))


async def _by_meaning(inquiry: Inquiry, vector: Vector) -> Found:
    return await in_db(semantic.find)(
        inquiry.project_id,
        inquiry.scope_key,
        inquiry.question_key,
        canonical_text(inquiry.text),
        vector,
        embedding_identity=inquiry.embedder.identity,
        policy=inquiry.policy,
        threshold=inquiry.threshold,
    )


async def _second_opinion(inquiry: Inquiry, found: Found, doubtful: Match, faults: set[str]) -> Found:
    try:
        opinion = await ask_whether_same(inquiry.model, inquiry.text, doubtful.answer.question)
    except ProviderError as error:
        log.warning("second opinion: %s; taking it for another question", error.message)
        faults.add("opinion")
        return found
    match = doubtful if opinion.is_same else None
    return replace(found, match=match, veto="" if match else found.veto, opinion_tokens=opinion.tokens)


async def _by_key(inquiry: Inquiry) -> Match | None:
    question_key = None if inquiry.history or inquiry.filters != EVERYTHING else inquiry.question_key
    return await in_db(entries.find)(inquiry.project_id, inquiry.request_key, question_key)
