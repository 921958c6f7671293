"""chat/marking.py: a passage marked within the text it stands in."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.marking import BEGIN, END, render_marked


def marked(text: str, passage: str, *, is_markdown: bool = True) -> str:
    start = text.index(passage)
    return render_marked(text, (start, start + len(passage)), is_markdown=is_markdown, anchor="chunk-1")


def words(html: str) -> str:
    """What is marked, as it reads."""
    return unescape("|".join(re.sub("<[^>]*>", "", inside) for inside in re.findall(r"<mark[^>]*>(.*?)</mark>", html)))


@pytest.mark.parametrize(
    ("text", "passage", "seen"),
    [
        ("# Head\n\nA **bold** x.\n\nMore.", "# Head\n\nA **bold** x.", "Head|A |bold| x."),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", "| 1 | 2 |\n", "1|2"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n", "a|b"),
        ("- one\n- two\n- three", "- two\n", "two"),
        ("> quoted\n\nNot.", "> quoted\n", "quoted"),
        ("```\nx = 1\n```\nafter", "```\nx = 1\n```", "x = 1"),
        ("Title\n=====\n\nText.", "Title\n=====", "Title"),
        ("One sentence. Another one.", "Another", "Another"),
        ("So $x^2$ holds.", "So $x^2$ holds.", "So | holds."),
        ("So $x^2$.", "$x^2$", "$x^2$"),
        ("So $x + y$.", "So $x +", "So $x +"),
    ],
)
def test_a_passage_of_markdown_is_marked_where_it_reads(text: str, passage: str, seen: str) -> None:
    html = marked(text, passage)
    assert words(html) == seen
    assert html.count('id="chunk-1"') == 1


def test_where_markdown_swallows_the_mark_the_text_is_shown_as_it_was_written() -> None:
    text = "See [here](http://example.org/long) for more."
    html = marked(text, "example.org")
    assert words(html) == "example.org"
    assert unescape(re.sub("<[^>]*>", "", html)) == text


@pytest.mark.parametrize("is_markdown", [True, False])
def test_nothing_in_a_text_runs(is_markdown: bool) -> None:
    html = marked(
        "a <script>x()</script> [b](javascript:x()) <img src=x onerror=x()>", "<script>x", is_markdown=is_markdown
    )
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_plain_text_is_marked_down_to_the_character() -> None:
    assert words(marked("a\n  b & c", "b &", is_markdown=False)) == "b &"


@given(st.text(alphabet="ab #*_`|->[]()\n1." + BEGIN + END, max_size=60), st.data())
def test_no_text_breaks_it_and_no_sign_of_ours_is_left(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    html = render_marked(text, (start, end), is_markdown=True, anchor="x")
    assert BEGIN not in html
    assert END not in html
    assert html.count("<mark") == html.count("</mark>")
