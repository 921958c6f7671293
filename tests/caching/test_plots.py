"""caching/plots.py and caching/wording.py: figures as coordinates and as words."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching import wording
from caching.figures import STATUSES
from caching.plots import hit_rates, latencies, savings, spending, volumes
from caching.report import Day


def make_days(*rows: dict[str, Any]) -> list[Day]:  # Any: a day's fields
    nothing: dict[str, Any] = {"requests": 0, "hit_p50": None, "miss_p50": None, "tokens_avoided": 0}
    days = []
    for n, row in enumerate(rows):
        counts = {**dict.fromkeys(STATUSES, 0), **row.pop("counts", {})}
        fields = {**nothing, "dollars_avoided": 0.0, "dollars_spent": 0.0, "counts": counts, **row}
        days.append(Day(day=date(2026, 11, 1) + timedelta(days=n), **{**fields, "requests": sum(counts.values())}))
    return days


def test_layers_are_stacked_from_the_ground_up() -> None:
    plot = hit_rates(make_days({"counts": {"hit-exact": 2, "hit-semantic": 1, "miss": 1, "bypass": 6}}, {}))
    assert [(bar.kind, bar.y, bar.height) for bar in plot.bars] == [("hit-exact", 50, 50), ("hit-semantic", 25, 25)]
    assert [tick.label for tick in plot.ticks] == ["0 %", "50 %", "100 %"]
    assert [column.title for column in plot.columns] == [
        "1 Nov: 3 of 4 questions answered from the caches",
        "2 Nov: 0 of 0 questions answered from the caches",
    ]


def test_a_low_hit_rate_has_a_scale_of_its_own() -> None:
    plot = hit_rates(make_days({"counts": {"hit-exact": 1, "miss": 9}}))
    assert [tick.label for tick in plot.ticks] == ["0 %", "10 %", "20 %"]
    assert [(bar.y, bar.height) for bar in plot.bars] == [(50, 50)]


def test_latencies_are_drawn_by_powers_of_ten_and_a_day_without_any_interrupts_the_line() -> None:
    plot = latencies(make_days({"hit_p50": 1.0, "miss_p50": 1000.0}, {}, {"hit_p50": 10.0}, {"hit_p50": 100.0}))
    assert [tick.label for tick in plot.ticks] == ["1 ms", "10 ms", "100 ms", "1 s"]
    assert {trace.kind: trace.path for trace in plot.traces} == {
        "hit": "M0.25 100.0h0.5M2.5 66.67L3.5 33.33",
        "miss": "M0.25 0.0h0.5",
    }


def test_savings_reach_a_round_number() -> None:
    plot = savings(make_days({"dollars_avoided": 0.007}, {"dollars_avoided": 0.002}), in_dollars=True)
    assert [tick.label for tick in plot.ticks] == ["$0.000", "$0.002", "$0.004", "$0.006", "$0.008"]
    assert [bar.height for bar in plot.bars] == [87.5, 25.0]
    assert [tick.label for tick in savings(make_days({"tokens_avoided": 25_000}), in_dollars=False).ticks][-1] == "30 k"


def test_volumes_are_stacked_to_all_answers_of_a_day() -> None:
    plot = volumes(make_days({"counts": {"hit-exact": 1, "stale": 1, "miss": 1, "bypass": 1}}, {}))
    assert [(bar.kind, bar.y, bar.height) for bar in plot.bars] == [
        ("hit-exact", 75, 25),
        ("stale", 50, 25),
        ("written", 0, 50),
    ]
    assert [tick.label for tick in plot.ticks] == ["0", "1", "2", "3", "4"]
    assert [column.title for column in plot.columns] == ["1 Nov: 4 answers", "2 Nov: 0 answers"]


def test_spending_is_told_in_dollars() -> None:
    plot = spending(make_days({"dollars_spent": 0.25}, {}))
    assert [(bar.kind, bar.x) for bar in plot.bars] == [("spent", 0.09)]
    assert plot.columns[0].title == "1 Nov: $0.25 spent"


def test_nothing_is_an_empty_plot() -> None:
    for plot in (hit_rates(make_days({})), latencies(make_days({})), savings(make_days({}), in_dollars=True)):
        assert plot.is_empty


@given(st.lists(st.floats(min_value=1e-9, max_value=1e9), min_size=1, max_size=40))
def test_every_bar_and_tick_lies_within_its_plot(values: list[float]) -> None:
    days = make_days(*({"dollars_avoided": value, "hit_p50": value} for value in values))
    for plot in (savings(days, in_dollars=True), latencies(days)):
        assert all(bar.y >= -0.001 and bar.y + bar.height <= 100.001 for bar in plot.bars)
        assert all(-1e-6 <= tick.y <= 100 + 1e-6 for tick in plot.ticks)
        assert 2 <= len(plot.ticks) <= 20


# --- Words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (wording.percent(None), "–"),
        (wording.percent(0.0), "0 %"),
        (wording.percent(0.1234), "12.3 %"),
        (wording.percent(1.0), "100 %"),
        (wording.dollars(0.0), "$0.00"),
        (wording.dollars(0.00042), "$0.00042"),
        (wording.dollars(1234.5), "$1,234.50"),
        (wording.dollars(-0.5), "−$0.50"),
        (wording.milliseconds(0.123), "0.12 ms"),
        (wording.milliseconds(14.4), "14 ms"),
        (wording.milliseconds(1350.0), "1.4 s"),
        (wording.many(9_999), "9,999"),
        (wording.many(12_345), "12.3 k"),
        (wording.many(1_234_567), "1.23 M"),
        (wording.duration(0.5), "no time"),
        (wording.duration(60), "1 minute"),
        (wording.duration(200), "3 minutes"),
        (wording.duration(5400), "1.5 hours"),
        (wording.duration(7200), "2 hours"),
        (wording.duration(604_800), "7 days"),
        (wording.excerpt("# Title\n\n- **bold** `cache_ttl` [1]"), "Title bold cache_ttl [1]"),
        (wording.excerpt("word " * 100, 21), "word word word word…"),
        (wording.excerpt("word " * 4), "word word word word"),
    ],
)
def test_figures_read_well(said: str, word: str) -> None:
    assert said == word
