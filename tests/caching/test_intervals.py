"""caching/intervals.py: Wilson's interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.intervals import share


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # Newcombe 1998 (doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_one_in_the_books(count: int, total: int, low: float, high: float) -> None:
    found = share(count, total)
    assert found is not None
    assert found.value == count / total
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_the_share_lies_within_its_interval(count: int, total: int) -> None:
    count = min(count, total)
    found = share(count, total)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0) is None
