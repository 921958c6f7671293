"""What office files draw: charts and diagrams, as their words and numbers."""

from __future__ import annotations

from itertools import zip_longest

from knowledge.parsers.package import Element, Package, below, child, children
from knowledge.parsers.tables import to_table


def read_chart(package: Package, name: str) -> str:
    """A chart's titles, and its series as a table with the categories down the side."""
    root = package.xml(name)
    titles = [" ".join("".join(t.text or "" for t in below(title, "t")).split()) for title in below(root, "title")]
    names: list[str] = []
    columns: list[list[str]] = []
    categories: list[str] = []
    for series in below(root, "ser"):
        names.append(" ".join(_points(child(series, "tx"))) or f"Series {len(names) + 1}")
        categories = categories or _points(
            child(series, "cat") if child(series, "cat") is not None else child(series, "xVal")
        )
        values = child(series, "val")
        columns.append(_points(values if values is not None else child(series, "yVal")))
    rows = [["", *names], *zip_longest(categories, *columns, fillvalue="")] if columns else []
    return "\n\n".join(filter(None, [*dict.fromkeys(titles), to_table(rows)]))


def _points(element: Element | None) -> list[str]:
    """The values that a chart keeps a copy of."""
    points = list(below(element, "pt"))
    values = (list(below(point, "v")) for point in points)
    if points:
        return [" ".join((v.text or "").strip() for v in value) for value in values]
    return [text for v in below(element, "v") if (text := (v.text or "").strip())]


def read_diagram(package: Package, name: str) -> str:
    """The texts of a diagram (SmartArt), as a list."""
    lines = [text_of(point) for point in below(package.xml(name), "pt")]
    return "\n".join(f"- {line}" for line in lines if line)


def read_drawings(package: Package, owner: str, element: Element) -> list[str]:
    """The charts and diagrams that an element of a part shows."""
    relations = package.relations(owner)
    found = []
    for tag, attribute_name, read in (("chart", "id", read_chart), ("relIds", "dm", read_diagram)):
        for link in below(element, tag):
            target = _target(link, attribute_name)
            if target in relations and relations[target].target in package:
                found.append(read(package, relations[target].target))
    return [text for text in found if text]


def _target(link: Element, name: str) -> str:
    return next((str(v) for k, v in link.attrib.items() if k.endswith(f"}}{name}")), "")


def paragraphs(element: Element | None) -> list[str]:
    """The texts of DrawingML's paragraphs, none of them empty."""
    return [text for p in below(element, "p") if (text := text_of(p))]


def text_of(element: Element) -> str:
    """The text of DrawingML's runs; line breaks and fields too."""
    pieces = []
    for node in element.iter("{*}t", "{*}br", "{*}p"):
        name = node.tag.rpartition("}")[2]
        pieces.append((node.text or "") if name == "t" else "\n" if name == "br" else " ")
    return "\n".join(line for piece in "".join(pieces).split("\n") if (line := " ".join(piece.split())))


def grid(table: Element) -> list[list[str]]:
    """The rows of DrawingML's table; a merged cell's text stands in each of its places."""
    rows: list[list[str]] = []
    for row in children(table, "tr"):
        cells: list[str] = []
        for cell in children(row, "tc"):
            text = text_of(cell)
            if cell.get("hMerge") in ("1", "true") and cells:
                text = cells[-1]
            elif cell.get("vMerge") in ("1", "true") and rows and len(cells) < len(rows[-1]):
                text = rows[-1][len(cells)]
            cells.append(text)
        rows.append(cells)
    return rows
