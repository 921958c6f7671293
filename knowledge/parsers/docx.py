"""Word documents (DOCX): the body, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.parsers import drawing
from knowledge.parsers.html import parse_page
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.numbering import Numbering, Styles, numbering_of, outline_of
from knowledge.parsers.package import Element, Package, attribute, below, child, name_of
from knowledge.parsers.tables import flatten, to_table
from knowledge.types import Part, Reading

LONG = 1_500  # characters of a cell: a table with one of these sets a page, it is no table of facts
_GONE = {"del", "moveFrom", "delText", "instrText", "rt", "Fallback", "pPr", "rPr", "sdtPr", "tblPr", "trPr", "tcPr"}
_SPACES = {"tab": " ", "ptab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    package = Package(content, limits, "DOCX")
    main = next(iter(package.related("", "officeDocument")), "word/document.xml")
    root = package.xml(main)
    body = child(root, "body")
    if body is None:
        package = Package(content, limits, "DOCX", main="word/document.xml")
    return Reading(parts=tuple(_parts(_Story(package, main), body)))


def _parts(story: _Story, body: Element | None) -> Iterator[Part]:
    notes = [*story.notes("footnote", ""), *story.notes("endnote", "e")]
    yield Part(text=_joined([*story.blocks(body), *notes]), is_markdown=True)
    around = []
    for name in story.package.related(story.name, "header", "footer"):
        around += _Story(story.package, name).blocks(story.package.xml(name))
    yield Part(text="\n\n".join(dict.fromkeys(around)), label="Header and footer", is_markdown=True)
    comments = [
        f"- {attribute(comment, 'author')}: {' '.join(story.blocks(comment))}"
        for name in story.package.related(story.name, "comments")
        for comment in below(story.package.xml(name), "comment")
    ]
    yield Part(text="\n".join(comments), label="Comments", is_markdown=True)


class _Item(str):
    """An item of a list: it follows the one before it without an empty line."""


def _joined(blocks: list[str]) -> str:
    text = [""]
    for before, block in zip(["", *blocks], blocks, strict=False):
        text += ["\n" if isinstance(before, _Item) and isinstance(block, _Item) else "\n\n", block]
    return "".join(text).strip()


class _Story:
    """One part of a document, read from its top to its end."""

    def __init__(self, package: Package, name: str) -> None:
        self.package, self.name = package, name
        self._relations = package.relations(name)
        self._styles = Styles(package, next(iter(package.related(name, "styles")), "word/styles.xml"))
        self._numbering = Numbering(package, next(iter(package.related(name, "numbering")), "word/numbering.xml"))

    def blocks(self, container: Element | None) -> list[str]:
        """Paragraphs, headings, list items and tables as Markdown, none of them empty."""
        found: list[str] = []
        for element in () if container is None else container:
            name = name_of(element)
            if name == "p":
                found += self._paragraph(element)
            elif name == "tbl":
                found += self._table(element)
            elif name == "altChunk":
                found += self._embedded(element)
            elif name == "AlternateContent":
                found += self.blocks(child(element, "Choice"))
            elif name and name not in _GONE:
                found += self.blocks(element)
        return [block for block in found if block]

    def notes(self, kind: str, prefix: str) -> list[str]:
        """Footnotes or endnotes, with the marks that the text has for them."""
        return [
            f"[^{prefix}{attribute(note, 'id')}]: {' '.join(self.blocks(note))}"
            for name in self.package.related(self.name, f"{kind}s")
            for note in below(self.package.xml(name), kind)
            if attribute(note, "type", "normal") == "normal"
        ]

    def _paragraph(self, paragraph: Element) -> list[str]:
        beside: list[str] = []
        text = "".join(self._inline(paragraph, beside))
        lines = [" ".join(line.split()) for line in text.split("\n")]
        text = "\n".join(filter(None, lines))
        if not text:
            return beside
        properties = child(paragraph, "pPr")
        style_id = child(properties, "pStyle")
        style = self._styles.find("" if style_id is None else attribute(style_id, "val"))
        numbering = numbering_of(properties) or style.numbering
        mark = self._numbering.next(*numbering) if numbering else ""
        if outline := outline_of(properties) or style.outline:
            title = " ".join(text.split())
            return [f"{'#' * min(outline, 6)} {'' if mark == '-' else mark + ' ' if mark else ''}{title}", *beside]
        indent = "  " * numbering[1] if numbering and mark else ""
        return [_Item(f"{indent}{mark} {text}") if mark else text, *beside]

    def _inline(self, element: Element, beside: list[str]) -> Iterator[str]:
        """The text of runs. What floats over the page (text boxes, charts) goes to `beside`."""
        for node in element:
            name = name_of(node)
            if name == "t":
                yield node.text or ""
            elif name in _SPACES:
                yield _SPACES[name]
            elif name in ("footnoteReference", "endnoteReference"):
                yield f"[^{'e' if name.startswith('e') else ''}{attribute(node, 'id')}]"
            elif name == "txbxContent":
                beside += self.blocks(node)
            elif name == "AlternateContent":
                shown = child(node, "Choice")
                yield from self._inline(shown if shown is not None else node, beside)
            elif name == "graphicData":
                beside += drawing.read_drawings(self.package, self.name, node)
                yield from self._inline(node, beside)
            elif name and name not in _GONE:
                yield from self._inline(node, beside)

    def _table(self, table: Element) -> list[str]:
        cells = [[self._cell(cell) for cell in _cells(row)] for row in _rows(table)]
        if sum(map(len, cells)) == 1 or any(len(text) > LONG for row in cells for text in row):
            return [block for row in _rows(table) for cell in _cells(row) for block in self.blocks(cell)]
        rows: list[list[str]] = []
        for row, texts in zip(_rows(table), cells, strict=True):
            line = [""] * _count(child(row, "trPr", "gridBefore"), 0)
            for cell, own in zip(_cells(row), texts, strict=True):
                merged = child(cell, "tcPr", "vMerge")
                is_rest = merged is not None and attribute(merged, "val", "continue") == "continue"
                text = rows[-1][len(line)] if is_rest and rows and len(line) < len(rows[-1]) else own
                line += [text] * _count(child(cell, "tcPr", "gridSpan"), 1)
            rows.append(line)
        return [to_table(rows)]

    def _cell(self, cell: Element) -> str:
        """A cell's text on one line; tables inside it too."""
        texts = []
        for element in cell:
            name = name_of(element)
            if name == "tbl":
                texts.append(flatten([[self._cell(inner) for inner in _cells(row)] for row in _rows(element)]))
            elif name and name not in _GONE:
                beside: list[str] = []
                texts.append(" ".join("".join(self._inline(element, beside)).split()))
                texts += beside
        return " ".join(filter(None, texts))

    def _embedded(self, link: Element) -> list[str]:
        """A page of HTML that a program put in instead of paragraphs."""
        relation = self._relations.get(attribute(link, "id"))
        if relation is None or not relation.target.lower().endswith((".htm", ".html", ".xhtml")):
            return []
        return [parse_page(self.package.read(relation.target))]


def _rows(table: Element) -> list[Element]:
    return [row for e in table for row in ([e] if name_of(e) == "tr" else _rows(e) if _is_wrapper(e) else [])]


def _cells(row: Element) -> list[Element]:
    return [cell for e in row for cell in ([e] if name_of(e) == "tc" else _cells(e) if _is_wrapper(e) else [])]


def _is_wrapper(element: Element) -> bool:
    return name_of(element) in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "bookmarkStart")


def _count(element: Element | None, default: int) -> int:
    """A count of columns; Word has 63 at most."""
    text = "" if element is None else attribute(element, "val")
    return min(int(text), 63) if text.isdecimal() and len(text) < 9 else default
