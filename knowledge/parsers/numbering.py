"""What Word writes before a paragraph and never stores in it: the depth of headings, the numbers of lists."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from knowledge.parsers.package import Element, Package, attribute, below, child, children

DEEPEST = 8
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """`outline` is the depth of a heading from 1, 0 for no heading; `numbering` a list's id and level."""

    outline: int = 0
    numbering: tuple[str, int] | None = None


class Styles:
    """A document's named styles, each with what it takes from the one that it is based on."""

    def __init__(self, package: Package, name: str) -> None:
        self._elements = {attribute(style, "styleId"): style for style in below(package.xml(name), "style")}

    def find(self, style_id: str) -> Style:
        outline, numbering = 0, None
        seen: set[str] = set()
        while style_id in self._elements and style_id not in seen:
            seen.add(style_id)
            style = self._elements[style_id]
            properties = child(style, "pPr")
            outline = outline or outline_of(properties) or _named_level(style)
            numbering = numbering or numbering_of(properties)
            parent = child(style, "basedOn")
            style_id = "" if parent is None else attribute(parent, "val")
        return Style(outline=outline, numbering=numbering)


def _named_level(style: Element) -> int:
    element = child(style, "name")
    name = "" if element is None else attribute(element, "val").lower()
    if name == "title":
        return 1
    match = re.fullmatch(r"heading ([1-9])", name)
    return int(match[1]) if match else 0


def outline_of(properties: Element | None) -> int:
    level = child(properties, "outlineLvl")
    number = _number(level, 9)
    return number + 1 if number < 9 else 0


def numbering_of(properties: Element | None) -> tuple[str, int] | None:
    number = child(properties, "numPr", "numId")
    if number is None:
        return None
    return attribute(number, "val"), min(_number(child(properties, "numPr", "ilvl"), 0), DEEPEST)


def _number(element: Element | None, default: int) -> int:
    text = "" if element is None else attribute(element, "val")
    return int(text) if text.isdecimal() and len(text) < 9 else default


class Numbering:
    """Counts a document's lists, as a reader goes down it."""

    def __init__(self, package: Package, name: str) -> None:
        root = package.xml(name)
        self._abstract = (
            {} if root is None else {attribute(a, "abstractNumId"): a for a in children(root, "abstractNum")}
        )
        self._lists: dict[str, str] = {}
        for number in () if root is None else children(root, "num"):
            link = child(number, "abstractNumId")
            self._lists[attribute(number, "numId")] = "" if link is None else attribute(link, "val")
        self._counts: dict[str, list[int | None]] = defaultdict(lambda: [None] * (DEEPEST + 1))

    def next(self, list_id: str, level: int) -> str:
        """The mark of the next paragraph of a list: "-" for a bullet, "3.1" for a number, "" for none."""
        abstract = self._lists.get(list_id)
        levels = (
            {attribute(e, "ilvl"): e for e in children(self._abstract.get(abstract, ()), "lvl")} if abstract else {}
        )
        if str(level) not in levels:
            return "-" if list_id in self._lists else ""
        counts = self._counts[abstract or ""]
        for i in range(level + 1):
            if i == level or counts[i] is None:
                start = _number(child(levels.get(str(i)), "start"), 1)
                current = counts[i]
                counts[i] = start if current is None else current + (i == level)
        counts[level + 1 :] = [None] * (DEEPEST - level)
        if _format(levels[str(level)]) in ("bullet", "none"):
            return "-" if _format(levels[str(level)]) == "bullet" else ""
        pattern = child(levels[str(level)], "lvlText")
        text = f"%{level + 1}." if pattern is None else attribute(pattern, "val")

        def shown(match: re.Match[str]) -> str:
            i = int(match[1]) - 1
            return _written(counts[i] or 1, _format(levels.get(str(i))))

        return re.sub(r"%([1-9])", shown, text).strip()


def _format(level: Element | None) -> str:
    element = child(level, "numFmt")
    return "decimal" if element is None else attribute(element, "val")


def _written(number: int, style: str) -> str:
    if style in ("lowerLetter", "upperLetter"):
        letters = chr(97 + (number - 1) % 26) * min((number - 1) // 26 + 1, 9)
        return letters.upper() if style == "upperLetter" else letters
    if style in ("lowerRoman", "upperRoman") and number < 4000:
        roman, rest = "", number
        for value, letters in _ROMAN:
            roman += letters * (rest // value)
            rest %= value
        return roman.upper() if style == "upperRoman" else roman
    return str(number)
