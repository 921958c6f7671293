"""The embedding cache: a text's vector in Redis for 24 hours, as float32 bytes (4 a number, JSON takes 20)."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence

import numpy as np
from asgiref.sync import async_to_sync
from django.utils.translation import gettext as _

from core.errors import ProviderTimeout, ProviderUnreachable
from core.redis import PREFIX, RedisError, async_redis, or_default, sync_redis
from providers.types import Embedder, Vector, Vectors

log = logging.getLogger(__name__)
LIFE = 24 * 3600  # seconds
PAUSE = 10.0  # seconds for which an embedder that was silent is left alone by those who cannot wait
_silent_until: dict[str, float] = {}  # by identity, in monotonic seconds


def _name(embedder: Embedder, text: str) -> str:
    identity = hashlib.sha256(embedder.identity.encode()).hexdigest()[:16]
    return f"{PREFIX}embedding:{identity}:{hashlib.sha256(text.encode()).hexdigest()}"


def _vector(value: bytes | str | None) -> Vector | None:
    """The vector in a stored value, None for a value that is not one."""
    if not isinstance(value, bytes) or not value or len(value) % 4:
        return None
    vector = np.frombuffer(value, dtype="<f4").astype(np.float32)
    return vector if abs(float(np.linalg.norm(vector.astype(np.float64))) - 1) < 1e-3 else None


async def embed_question(embedder: Embedder, text: str) -> Vector:
    """One text's vector, shape (dimensions,), from the cache or the embedder. Raises ProviderError.

    An embedder that did not answer in time is not asked again for ten seconds: every question would wait for it.
    """
    name = _name(embedder, text)
    known = _vector(await or_default(async_redis().get(name), None, "embedding cache read"))
    if known is not None:
        return known
    vector: Vector = (await _embed_now(embedder, [text]))[0]
    await or_default(async_redis().set(name, vector.tobytes(), ex=LIFE), None, "embedding cache write")
    return vector


async def _embed_now(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    if time.monotonic() < _silent_until.get(embedder.identity, 0.0):
        raise ProviderUnreachable(_("The embedding model '%(model)s' does not answer.") % {"model": embedder.model})
    try:
        return await embedder.embed(texts)
    except ProviderTimeout:
        _silent_until[embedder.identity] = time.monotonic() + PAUSE
        raise


def embed_texts(embedder: Embedder, texts: Sequence[str], *, is_awaited: bool = False) -> Vectors:
    """Vectors of texts, shape (len(texts), dimensions): one MGET, one request for those that were not known.

    For workers; and, with the patience of `embed_question`, for pages: `is_awaited`. Raises ProviderError.
    """
    names = [_name(embedder, text) for text in texts]
    try:
        rows = [_vector(value) for value in sync_redis().mget(names)]
    except (RedisError, OSError) as error:
        log.warning("redis: embedding cache read failed (%s); going on without it", type(error).__name__)
        rows = [None] * len(texts)
    missing = [i for i, row in enumerate(rows) if row is None]
    if missing:
        unknown = [texts[i] for i in missing]
        vectors = async_to_sync(_embed_now)(embedder, unknown) if is_awaited else embedder.embed_sync(unknown)
        for i, vector in zip(missing, vectors, strict=True):
            rows[i] = vector
        _keep({names[i]: rows[i] for i in missing})
    return np.vstack([row for row in rows if row is not None])


def _keep(vectors: dict[str, Vector | None]) -> None:
    try:
        pipeline = sync_redis().pipeline(transaction=False)
        for name, vector in vectors.items():
            if vector is not None:
                pipeline.set(name, vector.tobytes(), ex=LIFE)
        pipeline.execute()
    except (RedisError, OSError) as error:
        log.warning("redis: embedding cache write failed (%s); going on without it", type(error).__name__)
