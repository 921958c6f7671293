"""Spreadsheets (XLSX), sheet by sheet, row by row: an empty row costs nothing, however many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from gettext import gettext as _
from itertools import groupby

from core.errors import TooLargeToRead, WrongKind
from knowledge.parsers import drawing
from knowledge.parsers.formats import Formats
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.package import Element, Package, R, attribute, below, child, name_of
from knowledge.parsers.tables import to_table
from knowledge.types import Part, Reading

Cells = dict[int, dict[int, str]]  # row → column → text; both count from 1


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    package = Package(content, limits, "XLSX")
    main = next(iter(package.related("", "officeDocument")), "xl/workbook.xml")
    if main not in package:
        package = Package(content, limits, "XLSX", main="xl/workbook.xml")
    if main.endswith(".bin"):
        raise WrongKind(_("The file is a binary workbook (XLSB). Save it as XLSX."))
    book = _Book(package, main, limits)
    limits.check_pages(len(book.sheets), _("sheets"))
    return Reading(parts=tuple(book.part(title, name) for title, name in book.sheets))


class _Book:
    def __init__(self, package: Package, main: str, limits: Limits) -> None:
        self._package, self._limits = package, limits
        root = package.xml(main)
        relations = package.relations(main)
        properties = child(root, "workbookPr")
        self._formats = Formats(
            package.xml(next(iter(package.related(main, "styles")), "xl/styles.xml")),
            starts_1904=properties is not None and attribute(properties, "date1904") in ("1", "true"),
        )
        self._strings: list[str] = []
        for name in package.related(main, "sharedStrings") or ["xl/sharedStrings.xml"]:
            self._strings += [_rich(item) for item in package.each(name, "{*}si")]
        self._persons = {
            attribute(person, "id"): attribute(person, "displayName")
            for name in package.related(main, "person")
            for person in below(package.xml(name), "person")
        }
        self._cells_left = limits.cells
        self.sheets = [
            (attribute(sheet, "name"), relations[sheet.get(_relation_id(sheet))].target)
            for sheet in below(child(root, "sheets"), "sheet")
            if sheet.get(_relation_id(sheet)) in relations
        ]

    def part(self, title: str, name: str) -> Part:
        cells: Cells = {}
        for element in self._package.each(name, "{*}row", "{*}mergeCell"):
            if name_of(element) == "row":
                self._read_row(element, cells)
            else:
                _spread(element.get("ref", ""), cells)
        blocks = [f"# {title}", *_tables(cells), *self._beside(name)]
        text = "\n\n".join(blocks) if len(blocks) > 1 else ""
        return Part(text=text, label=f"Sheet {title}", is_markdown=True)

    def _read_row(self, row: Element, cells: Cells) -> None:
        number = row.get("r", "")
        y = int(number) if number.isdecimal() and len(number) < 9 else next(reversed(cells), 0) + 1
        x = 0
        for cell in row:
            if name_of(cell) != "c":
                continue
            x = _column(cell.get("r", "")) or x + 1
            if len(cell) and (text := self._value(cell)):
                self._cells_left -= 1
                if self._cells_left < 0:
                    raise TooLargeToRead(
                        _("The workbook has more than %(cells)s filled cells. Split it.")
                        % {"cells": f"{self._limits.cells:,}"}
                    )
                cells.setdefault(y, {})[x] = text

    def _value(self, cell: Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _rich(cell)
        value = child(cell, "v")
        text = (value.text or "") if value is not None else ""
        if not text:
            formula = child(cell, "f")
            return f"={formula.text}" if formula is not None and formula.text else ""
        if kind == "s":
            return self._strings[int(text)] if text.isdecimal() and int(text) < len(self._strings) else ""
        if kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        return self._formats.shown(text, cell.get("s", "0")) if kind == "n" else text

    def _beside(self, name: str) -> Iterator[str]:
        """What stands over a sheet's cells: comments, charts, text boxes."""
        if comments := [*self._comments(name), *self._threads(name)]:
            yield "Comments:\n\n" + "\n".join(comments)
        for part in self._package.related(name, "drawing"):
            root = self._package.xml(part)
            yield from drawing.paragraphs(root)
            yield from () if root is None else drawing.read_drawings(self._package, part, root)

    def _comments(self, name: str) -> Iterator[str]:
        for part in self._package.related(name, "comments"):
            root = self._package.xml(part)
            authors = [(author.text or "").strip() for author in below(root, "author")]
            for comment in below(root, "comment"):
                number = attribute(comment, "authorId")
                text = " ".join(_rich(comment).split())
                if text and not text.startswith("[Threaded comment]"):  # for old programs; _threads has the real one
                    author = authors[int(number)] if number.isdecimal() and int(number) < len(authors) else ""
                    yield f"- {attribute(comment, 'ref')}: {author + ': ' if author else ''}{text}"

    def _threads(self, name: str) -> Iterator[str]:
        for part in self._package.related(name, "threadedComment"):
            for comment in below(self._package.xml(part), "threadedComment"):
                author = self._persons.get(attribute(comment, "personId"), "")
                text = " ".join("".join(t.text or "" for t in below(comment, "text")).split())
                yield f"- {attribute(comment, 'ref')}: {author + ': ' if author else ''}{text}"


def _relation_id(sheet: Element) -> str:
    return next((k for k in sheet.attrib if k.endswith("}id")), f"{R}id")


def _rich(element: Element) -> str:
    """The text of runs, without the reading aids of Japanese."""
    return "".join(t.text or "" for t in below(element, "t") if name_of(t.getparent()) != "rPh").strip()


def _column(reference: str) -> int:
    """ "AB12" → 28; 0 for none."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    number = 0
    for letter in letters[0] if letters else "":
        number = number * 26 + ord(letter) - 64
    return number


def _spread(reference: str, cells: Cells) -> None:
    """Writes a merged cell's text to each of its places, in rows and columns that have text of their own."""
    match = re.fullmatch(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})", reference)
    if not match:
        return
    left, top, right, bottom = _column(match[1]), int(match[2]), _column(match[3]), int(match[4])
    text = cells.get(top, {}).get(left, "")
    if not text or bottom - top > 10_000:
        return
    for y in range(top, bottom + 1):
        if row := cells.get(y):
            last = max(max(row), max(cells[top]))
            for x in range(left, min(right, last if y != top else right, left + 100) + 1):
                row.setdefault(x, text)


def _tables(cells: Cells) -> Iterator[str]:
    """Rows without a gap between them are one table; one cell alone is a line of text."""
    for _offset, group in groupby(enumerate(sorted(cells)), lambda pair: pair[1] - pair[0]):
        rows = [cells[y] for _, y in group]
        columns = sorted({x for row in rows for x in row})
        lines = [[row.get(x, "") for x in columns] for row in rows]
        if len(columns) == 1:
            yield "\n".join(line[0] for line in lines)
        else:
            yield to_table(lines)
