"""caching/figures.py: what one lookup adds, and percentiles from buckets."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from caching.figures import (
    BUCKETS,
    FAULTS,
    NAMES,
    STATUSES,
    VETOES,
    bucket_of,
    figures_of,
    percentile,
    spent,
    upper_bound,
)
from caching.models import LedgerCount
from caching.types import Lookup


def make_lookup(status: str, **fields: Any) -> Lookup:  # Any: a lookup's fields
    return Lookup(
        **{
            "id": UUID(int=1),
            "project_id": UUID(int=2),
            "asked_at": datetime(2026, 11, 20, tzinfo=UTC),
            "status": status,
            "question": "How many days?",
            "question_key": "a" * 64,
            "is_standalone": True,
            "milliseconds": 0.1,
            "model": "gpt-4o-mini",
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            **fields,
        }
    )


@pytest.mark.parametrize("status", ["hit-exact", "hit-semantic", "coalesced"])
def test_a_hit_avoids_its_tokens_and_their_price(status: str) -> None:
    assert figures_of(make_lookup(status)) == {
        "requests": 1,
        status: 1,
        f"latency:{status}:0": 1,
        "tokens-avoided:prompt": 1000,
        "tokens-avoided:completion": 100,
        "money-avoided": 210_000,
    }


@pytest.mark.parametrize("status", ["miss", "bypass"])
def test_an_answer_that_was_written_spends_them(status: str) -> None:
    assert figures_of(make_lookup(status)) == {
        "requests": 1,
        status: 1,
        f"latency:{status}:0": 1,
        "tokens-spent:prompt": 1000,
        "tokens-spent:completion": 100,
        "money-spent:answers": 210_000,
    }


def test_a_stale_answer_saves_nothing_for_the_model_was_down() -> None:
    assert set(figures_of(make_lookup("stale"))) == {"requests", "stale", "latency:stale:0"}


def test_tokens_of_a_model_without_a_price_are_counted_and_no_money_is() -> None:
    figures = figures_of(make_lookup("hit-exact", model="llama3.2", opinion_tokens=7))
    assert figures["tokens-avoided:prompt"] == 1000
    assert figures["tokens-unpriced"] == 1107
    assert not [name for name in figures if name.startswith("money")]


def test_what_the_caches_spend_themselves_is_counted_beside(settings: Settings) -> None:
    settings.EMBEDDINGS_ARE_LOCAL, settings.EMBEDDING_MODEL = False, "text-embedding-3-small"
    figures = figures_of(make_lookup("hit-semantic", embedded_tokens=20, opinion_tokens=100))
    assert (figures["tokens-spent:embedding"], figures["money-spent:embedding"]) == (20, 400)
    assert (figures["tokens-spent:opinion"], figures["money-spent:opinion"]) == (100, 15_000)
    assert spent("audit", "gpt-4o-mini", 1000, 100) == {"tokens-spent:audit": 1100, "money-spent:audit": 210_000}
    assert spent("audit", "llama3.2", 1000, 100) == {"tokens-spent:audit": 1100, "tokens-unpriced": 1100}


def test_vetoes_and_faults_are_counted_by_kind_and_strangers_as_other(caplog: pytest.LogCaptureFixture) -> None:
    figures = figures_of(make_lookup("miss", veto="number", faults=("redis", "embedder", "the moon")))
    assert [figures[f"veto:{kind}"] for kind in ("number", "other")] == [1, 0]
    assert [figures[f"fault:{part}"] for part in ("redis", "embedder", "other")] == [1, 1, 1]
    assert "the moon" in caplog.text


@given(
    status=st.sampled_from(STATUSES),
    veto=st.sampled_from(["", *VETOES]),
    faults=st.lists(st.sampled_from(FAULTS), max_size=3).map(tuple),
    milliseconds=st.floats(),
    tokens=st.integers(0, 10**7),
)
def test_every_figure_of_every_lookup_has_a_name_that_fits(
    status: str, veto: str, faults: tuple[str, ...], milliseconds: float, tokens: int
) -> None:
    figures = figures_of(
        make_lookup(status, veto=veto, faults=faults, milliseconds=milliseconds, embedded_tokens=tokens)
    )
    assert figures.keys() <= NAMES
    assert all(value > 0 for value in figures.values())


def test_names_fit_their_column() -> None:
    assert max(map(len, NAMES)) <= (LedgerCount._meta.get_field("name").max_length or 0)


# --- Latency ------------------------------------------------------------------------------------


@given(st.floats(min_value=1e-6, max_value=100_000))
def test_a_latency_lies_within_its_bucket(milliseconds: float) -> None:
    bucket = bucket_of(milliseconds)
    assert milliseconds <= upper_bound(bucket) * (1 + 1e-9)
    assert bucket == 0 or milliseconds > upper_bound(bucket - 1) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [(-1, 0), (0, 0), (0.1, 0), (float("nan"), 0), (1e12, BUCKETS - 1), (float("inf"), BUCKETS - 1)],
)
def test_a_latency_that_cannot_be_has_a_bucket_all_the_same(milliseconds: float, bucket: int) -> None:
    assert bucket_of(milliseconds) == bucket


@given(st.lists(st.floats(min_value=0.2, max_value=60_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_from_buckets_is_at_most_a_bucket_off(values: list[float], share: float) -> None:
    estimate = percentile(Counter(map(bucket_of, values)), share)
    ordered = sorted(values)
    true = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
    assert estimate is not None
    assert true / 1.19 <= estimate <= true * 1.19


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 0.5) is None
    assert percentile({3: 0}, 0.5) is None
