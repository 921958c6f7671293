"""Django's cache on a Redis that may be away."""

from __future__ import annotations

from typing import Any

from django_redis.cache import RedisCache


class ForgivingCache(RedisCache):
    """Without Redis it is empty: nothing is found, and whoever takes a lock by `add` gets it."""

    def add(self, *args: Any, **kwargs: Any) -> bool:  # Any: Django's signature
        return super().add(*args, **kwargs) is not False
