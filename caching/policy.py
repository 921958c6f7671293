"""What a project wants of its caches, as a value."""

from __future__ import annotations

from accounts.models import DAY, Project
from caching.types import Policy


def policy_of(project: Project) -> Policy:
    """The policy in a project's row. A project marked stable keeps its answers for 24 hours at least."""
    ttl = max(project.cache_ttl, DAY) if project.is_stable and project.cache_ttl else project.cache_ttl
    return Policy(
        ttl=ttl,
        uses_exact=project.uses_exact_cache,
        uses_semantic=project.uses_semantic_cache,
        threshold=project.cache_threshold,
        error_bound=project.cache_error_bound,
        asks_second_opinion=project.asks_second_opinion,
        stale_ttl=project.stale_ttl,
        epoch=project.cache_epoch,
        offset=project.verdict_offset,
    )
