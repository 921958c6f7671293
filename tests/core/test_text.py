"""core/text.py: one way to write a text, in linear time."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import nfc

MARKS = "\u0301\u0316\u0327\u0344\u0f73\u0f71\u3099\U0001d165"  # of several classes, some decompose into two
hostile = st.builds(
    lambda parts: "".join(first + run * times for first, run, times in parts),
    st.lists(st.tuples(st.sampled_from(["", "e", "é", "가"]), st.text(MARKS, max_size=6), st.integers(0, 60))),
)


@given(st.text() | hostile)
def test_the_normal_form_is_the_one_of_the_library(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("unit", ["\u0301\u0316", "\u0f73", "\u0344\u0316"])
def test_a_million_marks_on_one_letter_are_no_way_to_stop_the_server(unit: str) -> None:
    text = "e" + unit * 1_000_000  # the library alone would take half an hour
    once = nfc(text)
    assert nfc(once) == once
