from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.grounding import check_citations, cited_numbers


@pytest.mark.parametrize(
    ("text", "sources", "checked"),
    [
        ("It is so [1].", 2, "It is so [1]."),
        ("It is so [3].", 2, "It is so."),
        ("It is so[7].", 2, "It is so."),
        ("Both [1, 2] and [2;9].", 2, "Both [1][2] and [2]."),
        ("All [0] of [00] them [1].", 1, "All of them [1]."),
        ("`list[5]` and\n```\na[7]\n```\nend [5]", 1, "`list[5]` and\n```\na[7]\n```\nend"),
        ("An open ``` fence a[7]", 1, "An open ``` fence a[7]"),
        ("A [1](https://example.org) link", 0, "A [1](https://example.org) link"),
        ("[1]: a definition", 0, "[1]: a definition"),
        ("These hold [1]: all of them, but [9]: none.", 1, "These hold [1]: all of them, but: none."),
        ("Ten thousand [10000] [99999]", 5, "Ten thousand [10000] [99999]"),
        ("So [[1]](https://a.example)[[9]], [^1] [^9^].", 2, "So [1], [1]."),
        ("So 【1†L3-L9】【9】【4:0†a.pdf】 [2-9] [Source 1].", 3, "So [1] [2][3] [1]."),
        ("So [^1], but [^2].\n\n[^2]: A note", 2, "So [1], but [^2].\n\n[^2]: A note"),
        ("So [^1].\n\n> [^1]: A note", 1, "So [^1].\n\n> [^1]: A note"),
        ("`[[1]]【1】[^1]` $a[[9]]$", 1, "`[[1]]【1】[^1]` $a[[9]]$"),
        ("", 3, ""),
    ],
)
def test_a_number_without_a_source_is_taken_out_and_code_left_alone(text: str, sources: int, checked: str) -> None:
    assert check_citations(text, sources) == checked


def test_the_numbers_cited_are_those_that_have_a_source() -> None:
    assert cited_numbers("One [1], two [2, 9], `[3]`", 5) == {1, 2}


@pytest.mark.parametrize("text", ["$a[9]$", "$$\na[9]\n$$", r"\(a[9]\)"])
def test_an_index_in_a_formula_is_no_citation(text: str) -> None:
    assert check_citations(text, 2) == text
    assert cited_numbers(text, 9) == set()


def test_money_hides_no_citation() -> None:
    assert check_citations("It costs $5 [9] and $10 [1] in all.", 2) == "It costs $5 and $10 [1] in all."


@given(st.text(alphabet="ab [](),;:`$1290\n-^【】", max_size=60), st.integers(0, 5))
def test_checking_is_done_once_and_leaves_only_known_numbers(text: str, sources: int) -> None:
    checked = check_citations(text, sources)
    assert check_citations(checked, sources) == checked
    assert cited_numbers(checked, 9999) == cited_numbers(checked, sources)
