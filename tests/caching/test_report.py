"""caching/report.py: sums, shares and savings of a project's last days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from caching import ledger
from caching.models import Judgement
from caching.posting import post
from caching.report import report
from core.redis import sync_redis
from tests.caching.test_ledger import make_lookup, row_of
from tests.conftest import Cast


def noon(days_ago: int = 0) -> datetime:
    return datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=days_ago)


def fill(cast: Cast) -> None:
    """Ten questions: today two hits and four misses, a week ago a semantic hit and a bypass, two strangers."""
    today = {"hit-exact": 2, "miss": 4}
    for status, count in today.items():
        for _ in range(count):
            milliseconds = 2.0 if status == "hit-exact" else 900.0
            post([row_of(make_lookup(cast.project.id, asked_at=noon(), status=status, milliseconds=milliseconds))])
    post([row_of(make_lookup(cast.project.id, asked_at=noon(7), status="hit-semantic", opinion_tokens=100))])
    post([row_of(make_lookup(cast.project.id, asked_at=noon(7), status="bypass", veto=""))])
    post([row_of(make_lookup(cast.project.id, asked_at=noon(30)))])
    post([row_of(make_lookup(cast.foreign.id, asked_at=noon()))])


def test_a_project_without_traffic_has_an_empty_report(cast: Cast) -> None:
    empty = report(cast.project.id)
    assert (empty.requests, empty.hits, empty.dollars_net) == (0, None, 0.0)
    assert len(empty.days) == 30
    assert all(layer.share is None and layer.p50 is None for layer in empty.layers)
    assert [hits.audited for hits in empty.false_hits] == [None, None]


def test_the_sums_are_those_of_the_projects_own_last_days(cast: Cast) -> None:
    fill(cast)
    found = report(cast.project.id)
    assert found.requests == 8
    assert found.hits is not None
    assert (found.hits.count, found.hits.total) == (3, 7)  # the bypass did not ask the caches
    layers = {layer.status: layer for layer in found.layers}
    assert {status: layer.count for status, layer in layers.items()} == {
        "hit-exact": 2,
        "hit-semantic": 1,
        "coalesced": 0,
        "stale": 0,
        "miss": 4,
        "bypass": 1,
    }
    assert layers["bypass"].share is None
    assert layers["hit-exact"].p50 == pytest.approx(2.0, rel=0.19)
    assert layers["miss"].p95 == pytest.approx(900.0, rel=0.19)


def test_every_day_is_there_oldest_first(cast: Cast) -> None:
    fill(cast)
    days = report(cast.project.id, days=10).days
    assert [day.day for day in days] == [noon(ago).date() for ago in range(9, -1, -1)]
    assert [day.requests for day in days] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 6]
    assert days[-1].counts["hit-exact"] == 2
    assert days[-1].miss_p50 == pytest.approx(900.0, rel=0.19)
    assert days[-1].dollars_avoided == pytest.approx(0.00042)


def test_money_is_what_was_avoided_minus_what_the_caches_cost(cast: Cast) -> None:
    fill(cast)
    ledger.count(cast.project.id, {"tokens-spent:audit": 1000, "money-spent:audit": 150_000})
    found = report(cast.project.id)
    assert found.tokens_avoided == 3 * 1100
    assert found.tokens_spent == 5 * 1100
    assert found.dollars_avoided == pytest.approx(3 * 0.00021)
    spending = {item.purpose: (item.tokens, item.dollars) for item in found.spending}
    assert spending == {"embedding": (0, 0.0), "opinion": (100, 0.000015), "audit": (1000, 0.00015)}
    assert found.dollars_net == pytest.approx(3 * 0.00021 - 0.000165)


def test_what_still_waits_in_redis_is_in_the_report(cast: Cast) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id, asked_at=noon(), veto="number")))
    found = report(cast.project.id)
    assert (found.requests, found.vetoes) == (1, {"number": 1})


def test_without_redis_there_is_a_report_all_the_same(cast: Cast, dead_redis: str, settings: Settings) -> None:
    post([row_of(make_lookup(cast.project.id, asked_at=noon()))])
    assert report(cast.project.id).requests == 1


def test_false_hits_are_estimated_from_audits_and_clicks_are_told_beside(cast: Cast) -> None:
    def judge(count: int, **fields: object) -> None:
        for _ in range(count):
            Judgement.objects.create(
                **{"project": cast.project, "layer": "semantic", "asked": "a", "known": "b", **fields}
            )

    judge(18, origin="audit", is_right=True)
    judge(2, origin="audit", is_right=False)
    judge(5, origin="click", is_right=False)
    judge(3, origin="audit", is_right=False, project=cast.foreign)
    judge(3, origin="audit", is_right=False, created_at=timezone.now() - timedelta(days=40))
    exact, semantic = report(cast.project.id).false_hits
    assert (exact.audited, exact.clicks) == (None, 0)
    assert semantic.audited is not None
    assert (semantic.audited.count, semantic.audited.total, semantic.clicks) == (2, 20, 5)
    assert semantic.audited.low < 0.1 < semantic.audited.high


def test_a_report_takes_two_reads_of_the_database(cast: Cast) -> None:
    fill(cast)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        report(cast.project.id)
    assert len(queries) == 2
