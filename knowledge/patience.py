"""What an embedder that asked for a pause is spared: one worker is told, and all of them obey."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from core.errors import ProviderError, ProviderRateLimited
from core.redis import PREFIX, RedisError, sync_redis
from providers.types import Embedder

log = logging.getLogger(__name__)
LONGEST = 3600.0  # seconds that it may ask us to stay away
SHORTEST = 1.0


def kept_within(wish: float) -> float:
    """The pause, in seconds, that such a wish gets."""
    return min(max(wish, SHORTEST), LONGEST)


@contextmanager
def respected(embedder: Embedder) -> Iterator[None]:
    """Ask an embedder inside. Raises ProviderRateLimited at once while it wants to be left alone."""
    if left := _seconds_left(embedder):
        raise ProviderRateLimited(
            _("The embedding model '%(model)s' is over its limit.") % {"model": embedder.model}, retry_after=left
        )
    try:
        yield
    except ProviderError as error:
        if error.retry_after is not None:
            _remember(embedder, kept_within(error.retry_after))
        raise


def _seconds_left(embedder: Embedder) -> float:
    try:
        return max(0.0, int(sync_redis().pttl(_key(embedder))) / 1000)
    except (RedisError, OSError) as error:
        log.warning("redis: an embedder's pause is not known (%s); asking it", type(error).__name__)
        return 0.0


def _remember(embedder: Embedder, seconds: float) -> None:
    try:
        sync_redis().set(_key(embedder), 1, px=int(seconds * 1000))
    except (RedisError, OSError) as error:
        log.warning("redis: an embedder's pause is not shared (%s)", type(error).__name__)


def _key(embedder: Embedder) -> str:
    return f"{PREFIX}embedder-pauses:{hashlib.sha256(embedder.identity.encode()).hexdigest()[:16]}"
