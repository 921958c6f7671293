"""knowledge/headers.py: what a chunk is embedded under."""

from __future__ import annotations

import pytest

from knowledge.chunking import split, title_of
from knowledge.headers import header_of
from knowledge.tokens import count_tokens
from knowledge.types import Part
from tests.conftest import HANDBOOK


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# The guide\n\n## One\n\nText.\n\n## Two\n\nText.", "The guide"),
        (HANDBOOK, ""),  # two of equal rank: neither is the whole's
        ("Text alone.", ""),
    ],
)
def test_a_document_is_called_by_its_first_heading_if_all_stands_under_it(text: str, title: str) -> None:
    assert title_of([Part(text=text, is_markdown=True), Part(text="# Another part", is_markdown=True)]) == title


def test_what_a_file_says_of_its_title_comes_first() -> None:
    assert title_of([Part(text="# The guide", is_markdown=True)], "  The\nreal title ") == "The real title"
    assert title_of([]) == ""
    assert split([Part(text="Text.")], title="The guide")[0].title == "The guide"


def test_a_header_names_each_thing_once_and_is_short_enough_to_stand_above_the_largest_chunk() -> None:
    assert header_of(name="guide.md") == "guide.md"
    header = header_of(name="a.md", title="The guide", label="Sheet A", headings=["The guide", "Linux"])
    assert header == "a.md\nThe guide\nSheet A\nLinux"
    long = header_of(name="n" * 250, title="word " * 50, label="label " * 50, headings=["heading " * 20] * 3 + ["Last"])
    assert count_tokens(long) <= 34
    assert long.endswith("Last"), "the innermost heading says most"
