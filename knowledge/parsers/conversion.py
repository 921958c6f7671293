"""From a tree of HTML to Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from gettext import gettext as _
from typing import NamedTuple

from lxml import etree

from core.errors import TooLargeToRead
from knowledge.parsers.package import Element
from knowledge.parsers.tables import to_table

SILENT = ("script", "style", "noscript", "template", "svg", "iframe", "object", "head")
DEEPEST = 250  # elements inside each other
LONG = 1_500  # characters of a cell: a table with one of these sets a page, it is no table of facts
_SPAN = 100  # cells that one cell may stretch over; a page can ask for 65,534
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_CELLS = ("td", "th")
_TABLE = ("thead", "tbody", "tfoot", "tr", *_CELLS, "caption")
_BOXES = (
    *("p", "div", "article", "section", "main", "header", "footer", "nav", "aside", "figure", "figcaption", "form"),
    *("fieldset", "address", "details", "summary", "dl"),
)
_BLOCKS = frozenset(
    [*_HEADINGS, *_TABLE, *_BOXES, "table", "blockquote", "ol", "ul", "li", "dt", "dd", "pre", "hr", "html", "body"]
)
_MARKS = {
    **dict.fromkeys(["b", "strong"], "**"),
    **dict.fromkeys(["em", "i"], "*"),
    **dict.fromkeys(["del", "s"], "~~"),
}
_NUMBER = "polyai-number"  # of an item in its list
_NESTED = etree.XPath("boolean(.//table) or boolean(.//td//tr) or boolean(.//th//tr)")
_BULLETS = "*+-"
_BLANKS = " \t\r\n"
_LINE_ENDS = re.compile(r"[\t \r\n]*[\r\n][\t \r\n]*")
_GAPS = re.compile(r"[\t ]+")
_BACKTICKS = re.compile(r"`+")


class _Place(NamedTuple):
    """What an element is inside of; `lists` counts the unnumbered ones, `is_laid_out` is for tables that set a page."""

    is_pre: bool = False
    is_code: bool = False
    is_line: bool = False
    is_item: bool = False
    is_laid_out: bool = False
    lists: int = 0


def convert(page: Element) -> str:
    """Markdown of an element and all in it. Raises TooLargeToRead for one that is nested too deeply."""
    for numbered in page.iter("ol"):
        start = numbered.get("start", "")
        number = int(start) if start.isdecimal() and len(start) < 9 else 1
        for place, item in enumerate(numbered.iterchildren("li"), start=number):
            item.set(_NUMBER, str(place))
    return _convert(page, _Place(), 0)


def _convert(element: Element, place: _Place, depth: int) -> str:
    if depth > DEEPEST:
        raise TooLargeToRead(_("The file is nested too deeply to be read. Simplify it."))
    tag = element.tag
    if tag in _MARKS:
        text = _inside(element, place, depth)
        return text if place.is_code else _marked(text, _MARKS[tag])
    if tag in _BOXES or (place.is_laid_out and tag in _TABLE):
        return _box(_inside(element, place, depth), place)
    special = _SPECIAL.get(tag)
    return special(element, place, depth) if special else _inside(element, place, depth)


def _inside(element: Element, place: _Place, depth: int) -> str:
    """The text in an element, with one empty line at most between two pieces."""
    pieces = _pieces(element, place, depth)
    if place.is_pre:
        return "".join(pieces)
    found, ends = [], 0  # `ends`: line feeds at the end of what was found
    for text in pieces:
        body = text.lstrip("\n")
        starts = len(text) - len(body)
        if ends:
            starts = max(min(starts, 2) - ends, 0)
        found.append("\n" * starts + body)
        ends = len(body) - len(body.rstrip("\n")) if body else ends + starts
    return "".join(found)


def _pieces(element: Element, place: _Place, depth: int) -> Iterator[str]:
    """Texts and elements in their order; none of them empty."""
    words, before = element.text or "", ""
    for child in element:
        if child.tag not in SILENT:
            if words and (text := _text(words, place, before or element.tag, child.tag)):
                yield text
            if text := _convert(child, place, depth + 1):
                yield text
            words, before = "", child.tag
        words += child.tail or ""
    if words and (text := _text(words, place, before or element.tag, element.tag)):
        yield text


def _text(words: str, place: _Place, before: str, after: str) -> str:
    """Words between two tags. Blanks beside a block's are there for who reads the HTML."""
    if place.is_pre:
        return words
    words = _GAPS.sub(" ", _LINE_ENDS.sub("\n", words))
    if before in _BLOCKS:
        words = words.lstrip(_BLANKS)
    return words.rstrip(_BLANKS) if after in _BLOCKS else words


def _marked(text: str, mark: str, after: str = "") -> str:
    """`** text**` would not be bold: blanks go outside."""
    inner = text.strip()
    return f"{' ' * text.startswith(' ')}{mark}{inner}{after or mark}{' ' * text.endswith(' ')}" if inner else ""


def _box(text: str, place: _Place) -> str:
    text = text.strip()
    if place.is_line:
        return f" {text} "
    return f"\n\n{text}\n\n" if text else ""


def _indented(text: str, first: str) -> str:
    """A block behind `first`, its other lines as far to the right."""
    indent = " " * len(first)
    return first + "\n".join(indent + line if line and n else line for n, line in enumerate(text.split("\n")))


def _heading(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place._replace(is_line=True), depth)
    if place.is_line:
        return text
    text = " ".join(text.split())
    return f"\n\n{'#' * int(element.tag[1])} {text}\n\n" if text else ""


def _list(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place._replace(lists=place.lists + (element.tag == "ul")), depth).rstrip()
    return f"\n{text}\n\n" if place.is_item else f"\n\n{text}\n\n"


def _item(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place._replace(is_item=True), depth).strip()
    number = element.get(_NUMBER)
    bullet = f"{number}." if number else _BULLETS[(place.lists - 1) % len(_BULLETS)]
    return f"{_indented(text, f'{bullet} ')}\n" if text else ""


def _quote(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place, depth).strip()
    if place.is_line or not text:
        return f" {text} "
    return "\n\n" + "\n".join(f"> {line}".rstrip() for line in text.split("\n")) + "\n\n"


def _term(element: Element, place: _Place, depth: int) -> str:
    text = " ".join(_inside(element, place, depth).split())
    return f" {text} " if place.is_line or not text else f"\n\n{text}\n"


def _definition(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place, depth).strip()
    return f" {text} " if place.is_line or not text else f"{_indented(text, ':   ')}\n"


def _code(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place._replace(is_code=True), depth)
    if place.is_code:
        return text
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    mark = "`" * (longest + 1)
    return _marked(text, f"{mark} ", f" {mark}") if longest else _marked(text, mark)


def _block_of_code(element: Element, place: _Place, depth: int) -> str:
    text = _inside(element, place._replace(is_pre=True, is_code=True), depth)
    text = re.sub(r"^[ \n]*\n", "", text).rstrip()
    return f"\n\n```\n{text}\n```\n\n" if text else ""


def _line_end(element: Element, place: _Place, depth: int) -> str:
    return "\n" if place.is_pre else " " if place.is_line else "  \n"


def _cell(element: Element, place: _Place, depth: int) -> str:
    return f" {_inside(element, place._replace(is_line=True), depth)} "


def _row(element: Element, place: _Place, depth: int) -> str:
    return f"{_inside(element, place, depth)}\n"


def _table(element: Element, place: _Place, depth: int) -> str:
    """The grid; the text of a cell that stretches stands in each of its places."""
    if _is_layout(element):
        return _box(_inside(element, place._replace(is_laid_out=True), depth), place)
    rows: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}  # column → rows still to fill from above, and with what
    for row in element.iter("tr"):
        line: list[str] = []
        for cell in row.iterchildren(*_CELLS):
            _fill(line, hanging)
            own = _cell(cell, place, depth + 2)
            down, right = _span(cell, "rowspan"), _span(cell, "colspan")
            for _column in range(right):
                if down > 1:
                    hanging[len(line)] = (down - 1, own)
                line.append(own)
        _fill(line, hanging)
        rows.append(line)
    caption = " ".join(" ".join(text for head in element.iter("caption") for text in head.itertext()).split())
    return f"\n\n{caption}\n\n{to_table(rows)}\n\n"


def _is_layout(table: Element) -> bool:
    """Whether a table sets a page: its cells become paragraphs then; the tables inside it stay tables."""
    if _NESTED(table) or table.find(".//tr") is None:
        return True
    return any(sum(map(len, cell.itertext())) > LONG for cell in table.iter(*_CELLS))


def _fill(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)


def _span(cell: Element, name: str) -> int:
    value = cell.get(name, "1")
    return max(1, min(int(value), _SPAN)) if value.isdecimal() and len(value) < 9 else 1


_SPECIAL: dict[str, Callable[[Element, _Place, int], str]] = {
    **dict.fromkeys(_HEADINGS, _heading),
    **dict.fromkeys(("ul", "ol"), _list),
    **dict.fromkeys(("code", "kbd", "samp"), _code),
    **dict.fromkeys(_CELLS, _cell),
    "li": _item,
    "blockquote": _quote,
    "dt": _term,
    "dd": _definition,
    "pre": _block_of_code,
    "br": _line_end,
    "hr": lambda element, place, depth: "\n\n---\n\n",
    "q": lambda element, place, depth: f'"{_inside(element, place, depth)}"',
    "tr": _row,
    "table": _table,
}
