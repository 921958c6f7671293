"""HTML, turned into Markdown so that headings, lists and tables survive."""

from __future__ import annotations

import warnings
from typing import Any

from bs4 import BeautifulSoup, Tag, UnusualUsageWarning
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from core.errors import TooLargeToRead
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.tables import to_table
from knowledge.parsers.text import BOMS, decode, find_wide, notes_on
from knowledge.types import Part, Reading

_SILENT = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head"]
_SPAN = 100  # cells that one cell may stretch over; a page can ask for 65,534
DEEPEST = 250  # elements inside each other
LONG = 1_500  # characters of a cell: a table with one of these sets a page, it is no table of facts


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    text = parse_page(content)
    return Reading(parts=(Part(text=text, is_markdown=True),), notes=notes_on(text))


def parse_page(content: bytes) -> str:
    """Markdown of a page in whatever encoding it is. Raises UnreadableFile."""
    if content.startswith(BOMS) or find_wide(content):
        return to_markdown(decode(content))
    if EncodingDetector.find_declared_encoding(content, is_html=True):
        return to_markdown(content)
    return to_markdown(decode(content.replace(b"\x00", b"")))


def to_markdown(html: bytes | str) -> str:
    """Markdown of a page's text: no scripts, no pictures, links as their words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusualUsageWarning)  # XHTML, or a page that is one file's name
        page = BeautifulSoup(html, "lxml")
    _check_depth(page)
    title = page.title.get_text(strip=True) if page.title else ""
    for element in page(_SILENT):
        element.decompose()
    for table in page("table"):
        if table.find("table") or any(len(cell.get_text()) > LONG for cell in table(["td", "th"])):
            _unfold(table)
    text: str = _Converter().convert_soup(page)
    text = text.replace("\x00", "").strip()
    return f"# {title}\n\n{text}" if title and not page.find("h1") and text else text


def _check_depth(page: BeautifulSoup) -> None:
    """Raises TooLargeToRead, before anything that takes the square of the depth."""
    open_tags: list[tuple[Tag, int]] = [(page, 0)]
    while open_tags:
        tag, depth = open_tags.pop()
        if depth > DEEPEST:
            raise TooLargeToRead("The file is nested too deeply to be read. Simplify it.")
        open_tags += [(child, depth + 1) for child in tag.children if isinstance(child, Tag)]


def _unfold(table: Tag) -> None:
    """A table that sets a page becomes its cells, one after another; the tables inside it stay tables."""
    for element in table(["table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"]):
        if element.find_parent("table") is table:
            element.name = "table" if element.name == "table" else "div"
    table.name = "div"


class _Converter(MarkdownConverter):
    def __init__(self) -> None:
        super().__init__(
            heading_style="ATX",
            strip=["a", "img"],
            escape_misc=False,
            escape_asterisks=False,
            escape_underscores=False,
        )
        self._cells: dict[int, str] = {}

    def convert_td(self, element: Tag, text: str, parent_tags: Any) -> str:  # Any: markdownify has no types
        self._cells[id(element)] = text
        return f" {text} "

    convert_th = convert_td

    def convert_tr(self, element: Tag, text: str, parent_tags: Any) -> str:
        return f"{text}\n"

    def convert_table(self, element: Tag, text: str, parent_tags: Any) -> str:
        """The grid; the text of a cell that stretches stands in each of its places."""
        rows: list[list[str]] = []
        hanging: dict[int, tuple[int, str]] = {}  # column → rows still to fill from above, and with what
        for row in element("tr"):
            line: list[str] = []
            for cell in row.find_all(["td", "th"], recursive=False):
                _fill(line, hanging)
                own = self._cells.get(id(cell), "")
                down, right = _span(cell, "rowspan"), _span(cell, "colspan")
                for _ in range(right):
                    if down > 1:
                        hanging[len(line)] = (down - 1, own)
                    line.append(own)
            _fill(line, hanging)
            rows.append(line)
        caption = element.find("caption")
        above = f"{caption.get_text(' ', strip=True)}\n\n" if caption else ""
        return f"\n\n{above}{to_table(rows)}\n\n"


def _fill(line: list[str], hanging: dict[int, tuple[int, str]]) -> None:
    while len(line) in hanging:
        left, text = hanging.pop(len(line))
        if left > 1:
            hanging[len(line)] = (left - 1, text)
        line.append(text)


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name, "1"))
    return max(1, min(int(value), _SPAN)) if value.isdecimal() and len(value) < 9 else 1
