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


@pytest.mark.parametrize(
    "attribute",
    [
        *('style="display:none"', "style='color: red; DISPLAY : None !important'", 'style="visibility:hidden;"'),
        *("hidden", 'hidden=""', 'hidden="hidden"'),
    ],
)
@pytest.mark.parametrize("tag", ["p", "span", "div", "tr", "td", "h1", "li"])
def test_hidden_elements_are_not_text(tag: str, attribute: str) -> None:
    page = f"<table><{tag} {attribute}>secret</{tag}></table>" if tag in ("tr", "td") else ""
    page = page or f"<{tag} {attribute}>secret <b>and more</b></{tag}>"
    assert to_markdown(f"<p>Seen</p>{page}<p>Seen too</p>") == "Seen\n\nSeen too"


@pytest.mark.parametrize(
    "page",
    [
        '<p style="display:block">Seen</p>',
        '<p style="--display:nonesuch">Seen</p>',
        '<p hidden="until-found">Seen</p>',
        '<p aria-hidden="true">Seen</p>',
        '<body style="visibility:hidden"><p>Seen</p></body>',
    ],
    ids=["shown", "another property", "found by the browser", "not read out", "until its scripts have run"],
)
def test_what_a_reader_sees_in_the_end_is_text(page: str) -> None:
    assert to_markdown(page) == "Seen"


def test_words_on_both_sides_of_something_hidden_stay_apart_as_they_were() -> None:
    assert to_markdown("<p>one <span hidden>x</span>two<script>y</script>three</p>") == "one twothree"


def test_nested_lists_quotes_code_and_definitions_keep_their_shape() -> None:
    page = (
        "<ol start=3><li>a<ul><li>b<li>c</ul>tail<li>d<p>e</ol><blockquote><p>f<p>g</blockquote>"
        "<pre>\nx\n  y</pre><p>run <code>a`b</code> and <kbd>c</kbd></p><dl><dt>t<dd>u</dl>"
    )
    assert to_markdown(page).split("\n") == [
        *("3. a", "   * b", "   * c", "", "   tail", "4. d", "", "   e", "", "> f", ">", "> g", ""),
        *("```", "x", "  y", "```", "", "run `` a`b `` and `c`", "", "t", ":   u"),
    ]


@pytest.mark.parametrize("tag", ["main", "header", "footer", "nav", "aside", "figure", "form", "address"])
def test_the_words_of_two_boxes_do_not_run_together(tag: str) -> None:
    assert to_markdown(f"<{tag}>one</{tag}><{tag}>two</{tag}>") == "one\n\ntwo"


def test_a_cell_that_stretches_stands_in_each_of_its_places() -> None:
    page = "<table><caption>Sums</caption><tr><th>A<th colspan=2>B<tr><td rowspan=2>x<td>1<td>2<tr><td>3<td>4</table>"
    assert to_markdown(page).split("\n") == [
        *("Sums", "", "| A | B | B |", "| --- | --- | --- |", "| x | 1 | 2 |", "| x | 3 | 4 |"),
    ]


def test_a_table_that_sets_a_page_becomes_its_paragraphs() -> None:
    page = "<table><tr><td><h1>Menu</h1><td><table><tr><td>a<td>b</table></table>"
    assert to_markdown(page).split("\n") == ["# Menu", "", "| a | b |", "| --- | --- |"]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("iso-8859-1", "cp1252"), ("gb2312", "gb18030"), ("utf-8", "cp1252"), ("no-such", "utf-8"), ("utf-16", "utf-8")],
)
def test_a_declaration_is_taken_as_browsers_do_and_only_if_it_is_true(declared: str, encoding: str) -> None:
    words = "退货期限为三十天" if encoding == "gb18030" else "“Größe” ändern, natürlich: schöne Grüße aus Köln"
    page = f'<meta charset="{declared}"><p>{words}</p>'
    assert parse(page.encode(encoding)).parts[0].text == words


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
    text = parse(page.encode()).parts[0].text
    assert "\x00" not in text
    assert text.encode()
    assert text.startswith("a")
    assert text.endswith("b")


def test_an_external_entity_is_not_fetched() -> None:
    page = b'<!DOCTYPE html [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>one &e; two</p>'
    assert "root:" not in parse(page).parts[0].text


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
