"""OpenDocument: texts (ODT), spreadsheets (ODS) and presentations (ODP)."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import gettext as _

from core.errors import EncryptedFile, TooLargeToRead
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.package import Element, Package, attribute, below, child, children, join, name_of
from knowledge.parsers.tables import flatten, to_table
from knowledge.types import Part, Reading

REPEATED = 200  # times that a cell or row with text is repeated at most: more is how a file fills a sheet with nothing
_SILENT = {"tracked-changes", "sequence-decls", "forms", "annotation-end", "index-title-template", "settings"}


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    package = Package(content, limits, "OpenDocument", main="content.xml")
    if next(below(package.xml("META-INF/manifest.xml"), "encryption-data"), None) is not None:
        raise EncryptedFile(_("The document is encrypted. Save a copy without a password and upload that."))
    body = child(package.xml("content.xml"), "body")
    story = _Story(package, limits)
    parts: list[Part] = []
    for kind in () if body is None else body:
        if name_of(kind) == "spreadsheet":
            parts += _named(story, children(kind, "table"), "Sheet", limits)
        elif name_of(kind) in ("presentation", "drawing"):
            parts += _named(story, children(kind, "page"), "Slide", limits)
        else:
            parts.append(Part(text="\n\n".join(story.blocks(kind)), is_markdown=True))
    around = [b for tag in ("header", "footer") for e in below(package.xml("styles.xml"), tag) for b in story.blocks(e)]
    parts.append(Part(text="\n\n".join(dict.fromkeys(around)), label="Header and footer", is_markdown=True))
    return Reading(parts=tuple(parts))


def _named(story: _Story, elements: list[Element], word: str, limits: Limits) -> Iterator[Part]:
    limits.check_pages(len(elements), _("sheets") if word == "Sheet" else _("slides"))
    for number, element in enumerate(elements, start=1):
        name = attribute(element, "name") or str(number)
        if word == "Sheet":
            blocks = story.table(element)
            blocks = [f"# {name}", *blocks] if blocks else []
            yield Part(text="\n\n".join(blocks), label=f"Sheet {name}", is_markdown=True)
            continue
        titles = [f for f in children(element, "frame") if attribute(f, "class") == "title"]
        title = " ".join(" ".join(block for frame in titles for block in story.blocks(frame)).split())
        blocks = [f"# {title}"] if title else []
        for shape in element:
            if shape not in titles:
                found = story.blocks(shape)
                blocks += [f"Speaker notes: {found[0]}", *found[1:]] if name_of(shape) == "notes" and found else found
        yield Part(
            text="\n\n".join(blocks), label=f"Slide {number}" + (f": {title}" if title else ""), is_markdown=True
        )


class _Story:
    def __init__(self, package: Package, limits: Limits) -> None:
        self._package, self._limits = package, limits
        self._cells_left = limits.cells

    def blocks(self, container: Element, depth: int = 0) -> list[str]:
        """Paragraphs, headings, list items and tables as Markdown, none of them empty."""
        found: list[str] = []
        for element in container:
            name = name_of(element)
            if name in ("p", "h"):
                found += self._paragraph(element)
            elif name == "table":
                found += self.table(element)
            elif name == "list":
                found += self._list(element, depth)
            elif name == "object":
                found += self._object(element)
            elif name == "annotation":
                found += [f"Comment: {' '.join(self.blocks(element))}"]
            elif name and name not in _SILENT:
                found += self.blocks(element, depth)
        return [block for block in found if block]

    def _paragraph(self, paragraph: Element) -> list[str]:
        beside: list[str] = []
        lines = "".join(self._inline(paragraph, beside)).split("\n")
        text = "\n".join(filter(None, (" ".join(line.split()) for line in lines)))
        if text and name_of(paragraph) == "h":
            level = attribute(paragraph, "outline-level", "1")
            text = f"{'#' * min(int(level), 6) if level.isdecimal() and len(level) < 3 else '#'} {text}"
        return [text, *beside]

    def _inline(self, element: Element, beside: list[str]) -> Iterator[str]:
        yield element.text or ""
        for node in element:
            name = name_of(node)
            if name in ("s", "tab"):
                yield " "
            elif name == "line-break":
                yield "\n"
            elif name == "note":
                mark = "".join(self._inline(child(node, "note-citation"), [])) if len(node) else ""
                yield f"[^{mark}]"
                body = child(node, "note-body")
                beside.append(f"[^{mark}]: {' '.join(self.blocks(body))}" if body is not None else "")
            elif name in ("frame", "custom-shape", "text-box", "annotation", "object", "g"):
                beside += self.blocks([node])
            elif name == "ruby-text":
                pass
            elif name and name not in _SILENT:
                yield from self._inline(node, beside)
            yield node.tail or ""

    def _list(self, element: Element, depth: int) -> list[str]:
        lines: list[str] = []
        for item in children(element, "list-item", "list-header"):
            for inner in item:
                if name_of(inner) == "list":
                    lines += self._list(inner, depth + 1)
                else:
                    blocks = [line for block in self.blocks([inner]) for line in block.split("\n")]
                    lines += [f"{'  ' * min(depth, 9)}- {line}" for line in blocks]
        return ["\n".join(lines)] if depth == 0 else lines

    def table(self, table: Element) -> list[str]:
        beside = [block for e in children(table, "shapes") for block in self.blocks(e)]
        rows = list(self._rows(table))
        if len(rows) == 1 and len(rows[0]) == 1:
            return [rows[0][0], *beside]
        return [block for block in (to_table(rows), *beside) if block]

    def _rows(self, table: Element) -> Iterator[list[str]]:
        for element in table:
            name = name_of(element)
            if name in ("table-rows", "table-header-rows", "table-row-group"):
                yield from self._rows(element)
            elif name == "table-row":
                row = self._row(element)
                if any(row):
                    for _ in range(_times(element, "number-rows-repeated")):
                        self._count(len(row))
                        yield row

    def _row(self, row: Element) -> list[str]:
        cells: list[str] = []
        for cell in children(row, "table-cell", "covered-table-cell"):
            text = self._cell(cell)
            is_covered = name_of(cell) == "covered-table-cell"
            cells += [cells[-1] if is_covered and cells and not text else text] * _times(
                cell, "number-columns-repeated"
            )
        while cells and not cells[-1]:
            cells.pop()
        return cells

    def _cell(self, cell: Element) -> str:
        texts = []
        for element in cell:
            if name_of(element) == "table":
                texts.append(flatten(self._rows(element)))
            else:
                texts += self.blocks([element])
        return " ".join(texts)

    def _count(self, cells: int) -> None:
        self._cells_left -= cells
        if self._cells_left < 0:
            raise TooLargeToRead(
                _("The document has more than %(cells)s filled cells. Split it.") % {"cells": f"{self._limits.cells:,}"}
            )

    def _object(self, element: Element) -> list[str]:
        """A chart or another document inside this one."""
        name = join("", f"{attribute(element, 'href')}/content.xml")
        root = self._package.xml(name)
        return [] if root is None else self.blocks(root)


def _times(element: Element, name: str) -> int:
    text = attribute(element, name, "1")
    return max(1, min(int(text), REPEATED)) if text.isdecimal() and len(text) < 9 else REPEATED
