"""Passages in the order of a reranker, where one is configured and answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from core.errors import ProviderError
from knowledge.lexical import split_words
from knowledge.types import Passage
from providers.registry import get_reranker

log = logging.getLogger(__name__)
SHOWN = 20  # passages that a reranker is shown, or twice as many as are asked for


def wanted(limit: int) -> int:
    """How many passages to find for `limit` in the end."""
    return limit if get_reranker() is None else max(SHOWN, 2 * limit)


async def rerank(text: str, passages: Sequence[Passage], limit: int, faults: set[str]) -> list[Passage]:
    """The `limit` best. A reranker that fails is done without, and noted in `faults`."""
    reranker = get_reranker()
    if reranker is None:
        return list(passages[:limit])
    try:
        scores = await reranker.rerank(text, [passage.text for passage in passages])
    except ProviderError as error:
        return _as_they_are(passages, limit, error, faults)
    return reordered(text, passages, scores)[:limit]


def rerank_sync(text: str, passages: Sequence[Passage], limit: int) -> list[Passage]:
    """The same from synchronous code."""
    return (score(text, passages)[0] if get_reranker() else list(passages))[:limit]


def score(text: str, passages: Sequence[Passage]) -> tuple[list[Passage], dict[UUID, float]]:
    """Passages in the reranker's order, and its scores by their chunks; as they are and none where it fails."""
    reranker = get_reranker()
    try:
        scores = reranker.rerank_sync(text, [passage.text for passage in passages]) if reranker else []
    except ProviderError as error:
        return _as_they_are(passages, len(passages), error, set()), {}
    by_chunk = {passage.chunk_id: value for passage, value in zip(passages, scores, strict=True)}
    return reordered(text, passages, scores), by_chunk


def reordered(text: str, passages: Sequence[Passage], scores: Sequence[float]) -> list[Passage]:
    """By score; but what has an identifier of the question stays before what has not."""
    codes = {word.text for word in split_words(text) if word.is_code}
    held = [len(codes & {word.text for word in split_words(passage.text)}) if codes else 0 for passage in passages]
    order = sorted(range(len(passages)), key=lambda n: (-held[n], -scores[n], n))
    return [passages[n] for n in order]


def _as_they_are(passages: Sequence[Passage], limit: int, error: ProviderError, faults: set[str]) -> list[Passage]:
    log.warning("%s Going on without it.", error.message)
    faults.add("reranker")
    return list(passages[:limit])
