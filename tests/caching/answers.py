"""Answers, sources and vectors for tests of the caches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from caching.types import CachedAnswer, Source
from providers.types import Vector

PROJECT = UUID(int=7)


def make_source(n: int = 1, **fields: Any) -> Source:  # Any: a source's fields
    source = Source(
        n=n,
        chunk_id=UUID(int=100 + n),
        content_hash=f"{n:064x}",
        document_id=UUID(int=2),
        document="Über uns.md",
        locator="Page 3 · Refunds",
        text="Goods may be returned within 30 days. 🙂",
        similarity=0.7123,
    )
    return replace(source, **fields)


def make_answer(seconds: float = 60, *, age: float = 0, **fields: Any) -> CachedAnswer:  # Any: an answer's fields
    """One that lives for `seconds` from now, and was written `age` seconds ago."""
    now = datetime.now(UTC)
    answer = CachedAnswer(
        project_id=PROJECT,
        question="How many days?",
        text="30 days [1].",
        sources=(make_source(),),
        model="gpt-x",
        prompt_tokens=100,
        completion_tokens=5,
        corpus_version=0,
        created_at=now - timedelta(seconds=age),
        expires_at=now + timedelta(seconds=seconds),
    )
    return replace(answer, **fields)


def unit(vector: npt.NDArray[np.floating]) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def vector_at(cosine: float, dimensions: int = 8, seed: int = 0) -> Vector:
    """A vector of length 1 at a cosine to `vector_at(1)` of the same size, in a direction that `seed` picks."""
    other = np.random.default_rng(seed).standard_normal(dimensions)
    other[0] = 0
    vector = np.sqrt(max(0.0, 1 - cosine**2)) * other / np.linalg.norm(other)
    vector[0] = cosine
    return unit(vector)
