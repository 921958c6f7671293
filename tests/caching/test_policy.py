"""caching/policy.py: what a project's row says of its caches."""

from __future__ import annotations

import pytest

from accounts.models import DAY, HOUR, WEEK, Project
from caching.policy import policy_of


@pytest.mark.parametrize(
    ("ttl", "is_stable", "lives"),
    [
        (HOUR, False, HOUR),
        (HOUR, True, DAY),
        (WEEK, False, WEEK),
        (WEEK, True, WEEK),
        (1, True, DAY),
        (0, False, 0),
        (0, True, 0),
    ],
)
def test_a_stable_project_keeps_answers_a_day_at_least_and_one_that_caches_nothing_none(
    ttl: int, is_stable: bool, lives: int
) -> None:
    assert policy_of(Project(cache_ttl=ttl, is_stable=is_stable)).ttl == lives


def test_a_new_project_caches_for_an_hour_from_a_cosine_of_0_95() -> None:
    policy = policy_of(Project())
    assert (policy.ttl, policy.threshold, policy.error_bound) == (HOUR, 0.95, None)
    assert policy.uses_exact
    assert policy.uses_semantic
    assert not policy.asks_second_opinion
    assert (policy.stale_ttl, policy.epoch, policy.offset) == (DAY, 0, 0.0)


def test_what_a_project_chooses_is_its_policy() -> None:
    project = Project(
        uses_exact_cache=False,
        uses_semantic_cache=False,
        cache_threshold=0.8,
        cache_error_bound=0.02,
        asks_second_opinion=True,
        stale_ttl=5,
        cache_epoch=3,
        verdict_offset=-0.5,
    )
    policy = policy_of(project)
    assert (policy.uses_exact, policy.uses_semantic, policy.asks_second_opinion) == (False, False, True)
    assert (policy.threshold, policy.error_bound) == (0.8, 0.02)
    assert (policy.stale_ttl, policy.epoch, policy.offset) == (5, 3, -0.5)
