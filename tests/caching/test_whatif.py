"""caching/whatif.py: a log whose right outcome can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from caching import whatif
from caching.models import CacheLookup
from caching.posting import post
from caching.types import Policy
from caching.verdict import Estimate
from caching.whatif import Outcome, Trial, compare, replay
from core.errors import ProviderError
from providers.registry import get_embedder
from tests.caching.embedder import EmbedderServer
from tests.caching.test_ledger import make_lookup, row_of
from tests.conftest import Cast

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = Policy(
    ttl=3600,
    uses_exact=True,
    uses_semantic=True,
    threshold=0.95,
    error_bound=None,
    asks_second_opinion=False,
    stale_ttl=0,
    epoch=0,
    offset=0.0,
)
TRIAL = Trial(threshold=0.95, error_bound=None, ttl=3600, uses_exact=True, uses_semantic=True)
# Angles in degrees to one axis: the cosine of two is the cosine of their difference.
REFUND, REFUND_IN_OTHER_WORDS, PARCEL = 0.0, 15.0, 80.0


def make_log(*rows: tuple[float, str, float], **fields: Any) -> tuple[list[CacheLookup], np.ndarray[Any, Any]]:
    """Lookups of (minutes after the start, question, angle), with their vectors."""
    log = [
        CacheLookup(
            **{
                "id": uuid4(),
                "project_id": UUID(int=1),
                "asked_at": START + timedelta(minutes=minutes),
                "status": "miss",
                "question": question,
                "question_key": question,
                "is_standalone": True,
                "milliseconds": 5.0,
                "model": "gpt-4o-mini",
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                **fields,
            }
        )
        for minutes, question, _ in rows
    ]
    angles = np.radians([angle for *_, angle in rows])
    return log, np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def counts(outcome: Outcome) -> tuple[int, int, int]:
    """Exact hits, semantic hits, questions."""
    assert outcome.exact is not None
    assert outcome.semantic is not None
    return outcome.exact.count, outcome.semantic.count, outcome.exact.total


def no_verdict(asked: str, known: str, similarity: float) -> Estimate | None:
    return None


LOG = (
    (0, "how do I get a refund", REFUND),
    (10, "how do I get a refund", REFUND),  # the same: a hit
    (20, "how can I get my money back", REFUND_IN_OTHER_WORDS),  # cos 15° = 0.966: a hit in other words
    (30, "where is the parcel", PARCEL),  # something else
    (59, "how do I get a refund", REFUND),  # in the last minute of its life: a hit did not extend it
    (61, "how do I get a refund", REFUND),  # after its end
    (62, "how can I get my money back", REFUND_IN_OTHER_WORDS),  # of the renewed one
)


def test_a_log_goes_as_one_works_it_out_by_hand() -> None:
    log, vectors = make_log(*LOG)
    outcome = replay(log, vectors, POLICY, no_verdict)
    assert counts(outcome) == (2, 2, 7)
    assert outcome.hits is not None
    assert outcome.hits.count == 4
    assert outcome.tokens_avoided == 4 * 1100
    assert outcome.dollars_avoided == pytest.approx(4 * 0.00021)
    assert (outcome.wrong, outcome.judged) == (None, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold": 0.97}, (3, 0)),  # the other words are a question of their own, which is asked twice in time
        ({"uses_semantic": False}, (3, 0)),
        ({"ttl": 7200}, (3, 2)),
        ({"ttl": 600}, (1, 1)),  # only what follows within ten minutes: the last two
        ({"ttl": 0}, (0, 0)),
        ({"uses_exact": False, "uses_semantic": False}, (0, 0)),
    ],
)
def test_other_settings_give_other_hits(changes: dict[str, Any], expected: tuple[int, int]) -> None:
    log, vectors = make_log(*LOG)
    assert counts(replay(log, vectors, replace(POLICY, **changes), no_verdict))[:2] == expected


def test_a_veto_refuses_what_the_threshold_lets_through() -> None:
    log, vectors = make_log((0, "how do I enable the backup", 0), (1, "how do I disable the backup", 1))
    assert counts(replay(log, vectors, POLICY, no_verdict)) == (0, 0, 2)


def test_an_error_bound_takes_the_place_of_the_threshold() -> None:
    def judge(asked: str, known: str, similarity: float) -> Estimate | None:
        return Estimate(probability=0.9, error=0.15, interval=(0.8, 0.95))

    log, vectors = make_log((0, "how do I get a refund", 0), (1, "how can I get my money back", 30))
    assert counts(replay(log, vectors, POLICY, judge))[1] == 0
    assert counts(replay(log, vectors, replace(POLICY, error_bound=0.1), judge))[1] == 0
    outcome = replay(log, vectors, replace(POLICY, error_bound=0.2), judge)
    assert counts(outcome)[1] == outcome.judged == 1
    assert outcome.wrong == pytest.approx(0.1)
    assert counts(replay(log, vectors, replace(POLICY, error_bound=0.2), no_verdict))[1] == 0


def test_the_second_nearest_may_hit_where_the_nearest_is_refused() -> None:
    log, vectors = make_log(
        (0, "how do I disable the backup", 1), (1, "how can I enable backups", 10), (2, "how do I enable the backup", 0)
    )
    assert counts(replay(log, vectors, POLICY, no_verdict))[1] == 1


def test_a_bypass_reads_nothing_and_is_kept_and_follow_ups_go_as_they_went() -> None:
    log, vectors = make_log((0, "refund", 0), (1, "refund", 0), (2, "and then", 0), (3, "and then", 0))
    log[0].status = "bypass"
    for place, status in ((2, "miss"), (3, "hit-exact")):
        log[place].is_standalone, log[place].status = False, status
    assert counts(replay(log, vectors, POLICY, no_verdict)) == (2, 0, 3)
    assert counts(replay(log, vectors, replace(POLICY, uses_exact=False), no_verdict)) == (1, 0, 3)


def test_an_empty_log_has_no_shares() -> None:
    log, vectors = make_log()
    outcome = replay(log, vectors.reshape(0, 2), POLICY, no_verdict)
    assert (outcome.hits, outcome.tokens_avoided) == (None, 0)


# --- From the store -----------------------------------------------------------------------------


def fill(cast: Cast, *questions: str, days_ago: int = 1, **fields: Any) -> None:
    began = datetime.now(UTC) - timedelta(days=days_ago)
    lookups = [
        make_lookup(
            **{
                "project_id": cast.project.id,
                "asked_at": began + timedelta(seconds=n),
                "question": question,
                "question_key": question.lower(),
                **fields,
            }
        )
        for n, question in enumerate(questions)
    ]
    post(map(row_of, lookups))


def test_the_projects_own_log_is_replayed_and_no_other(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast, "How many days?", "how many days?", "Where?")
    fill(cast, "Somebody else's", project_id=cast.foreign.id)
    fill(cast, "Too long ago", days_ago=31)
    found = compare(cast.project, replace(TRIAL, uses_exact=False, uses_semantic=False), get_embedder())
    assert found.considered == 3
    assert not found.is_capped
    assert counts(found.tried) == (0, 0, 3)
    assert counts(found.today) == (1, 0, 3)
    assert counts(found.really) == (0, 0, 3)
    assert set(embedder.texts) == {"How many days?", "how many days?", "Where?"}


def test_only_the_most_recent_are_replayed_and_the_outcome_says_so(
    cast: Cast, embedder: EmbedderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatif, "MAX_LOOKUPS", 3)
    monkeypatch.setattr(whatif, "AT_ONCE", 2)
    fill(cast, *[f"Question {number}?" for number in range(5)])
    found = compare(cast.project, TRIAL, get_embedder())
    assert (found.considered, found.is_capped) == (3, True)
    assert [len(request) for request in embedder.history] == [2, 1]
    assert embedder.texts == ["Question 2?", "Question 3?", "Question 4?"]


def test_a_project_without_traffic_asks_no_embedder(cast: Cast, embedder: EmbedderServer) -> None:
    found = compare(cast.project, TRIAL, get_embedder())
    assert (found.considered, found.tried.hits, found.since) == (0, None, None)
    assert embedder.history == []


def test_an_embedder_that_is_down_is_told(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast, "How many days?")
    embedder.fail(*[503] * 9)
    with pytest.raises(ProviderError):
        compare(cast.project, TRIAL, get_embedder())
