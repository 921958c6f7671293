"""knowledge/parsers/html.py: pages as Markdown."""

from __future__ import annotations

import pytest

from core.errors import TooLargeToRead
from knowledge.parsers import parse as parse_file
from knowledge.parsers.html import parse, to_markdown


def test_headings_lists_and_tables_survive() -> None:
    page = (
        "<h1>Guide</h1><p>One <b>two</b>.</p><h2>List</h2><ul><li>x<li>y</ul>"
        "<table><tr><th>Name<th>Age<tr><td>Ann<td>7</table>"
    )
    assert to_markdown(page).split("\n") == [
        *("# Guide", "", "One **two**.", "", "## List", "", "* x", "* y", ""),
        *("| Name | Age |", "| --- | --- |", "| Ann | 7 |"),
    ]


def test_what_a_reader_does_not_see_is_not_text() -> None:
    page = """<html><head><style>p {color: red}</style><meta name="x" content="meta"></head><body>
    <script>alert("script")</script><!-- comment --><noscript>noscript</noscript><template>template</template>
    <svg><text>svg</text></svg><iframe>iframe</iframe><p onclick="attack()">Seen</p></body></html>"""
    assert to_markdown(page) == "Seen"


def test_links_and_pictures_leave_their_words_and_nothing_to_click() -> None:
    text = to_markdown('<p>See <a href="javascript:attack()">the page</a> <img src="http://x/y.png" alt="pixel"></p>')
    assert text == "See the page"


def test_the_title_is_the_heading_of_a_page_that_has_none() -> None:
    assert to_markdown("<title>Refunds</title><p>30 days.</p>") == "# Refunds\n\n30 days."
    assert to_markdown("<title>Site</title><h1>Refunds</h1><p>30 days.</p>") == "# Refunds\n\n30 days."


def test_a_title_alone_is_no_text() -> None:
    assert to_markdown("<title>Refunds</title><body></body>") == ""


@pytest.mark.parametrize("name", ["POLYAI_HOME", "__init__", "2 * 3 * 4", "a_b*c"])
def test_names_stay_as_they_are_written(name: str) -> None:
    """A source is shown and quoted as it stands: a backslash that the page does not have is a wrong quote."""
    assert to_markdown(f"<p>Set {name} first.</p>") == f"Set {name} first."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_page_is_read_in_its_encoding(encoding: str) -> None:
    page = "<p>Rückgabe und Größe der Straße sind möglich, natürlich.</p>"
    assert parse(page.encode(encoding)).parts[0].text == "Rückgabe und Größe der Straße sind möglich, natürlich."


def test_a_page_is_read_in_the_encoding_that_it_declares() -> None:
    page = '<meta charset="windows-1251"><p>Возврат</p>'
    assert parse(page.encode("cp1251")).parts[0].text == "Возврат"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_page_in_utf_16_without_a_byte_order_mark_is_read(encoding: str) -> None:
    page = "<p>Rückgabe und Größe</p>".encode(encoding)
    assert parse_file("page.html", page).parts[0].text == "Rückgabe und Größe"


@pytest.mark.parametrize("page", ["<p>a\x00b</p>", "<p>a&#0;b</p>", "<p>a&#xD800;b</p>", "<p>a&#x110000;b</p>"])
def test_characters_that_postgresql_cannot_store_do_not_come_through(page: str) -> None:
    text = to_markdown(page.encode())
    assert "\x00" not in text
    assert text.encode()
    assert text.startswith("a")
    assert text.endswith("b")


def test_an_external_entity_is_not_fetched() -> None:
    page = b'<!DOCTYPE html [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>one &e; two</p>'
    assert "root:" not in to_markdown(page)


def nested(depth: int) -> bytes:
    return b"<div>" * depth + b"deep" + b"</div>" * depth


def test_deep_nesting_is_read() -> None:
    assert parse_file("page.html", nested(100)).parts[0].text == "deep"


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(TooLargeToRead, match="too deeply"):
        parse_file("page.html", nested(5_000))


@pytest.mark.parametrize("page", ["<p>open <b>and <i>never closed", "just words", "< p>odd</ p>", "<p>x</p></div></p>"])
def test_untidy_pages_are_read(page: str) -> None:
    assert parse_file("page.htm", page.encode()).parts[0].text
