"""Presentations (PPTX), slide by slide, with tables, charts and the speaker's notes."""

from __future__ import annotations

from gettext import gettext as _

from knowledge.parsers import drawing
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.package import Element, Package, R, attribute, below, child, name_of
from knowledge.parsers.tables import to_table
from knowledge.types import Part, Reading

_TITLES = ("title", "ctrTitle")


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    package = Package(content, limits, "PPTX", main="ppt/presentation.xml")
    main = "ppt/presentation.xml"
    relations = package.relations(main)
    ids = [slide.get(f"{R}id") for slide in below(child(package.xml(main), "sldIdLst"), "sldId")]
    names = [relations[i].target for i in ids if i in relations and relations[i].target in package]
    limits.check_pages(len(names), _("slides"))
    return Reading(parts=tuple(_slide(package, name, number) for number, name in enumerate(names, start=1)))


def _slide(package: Package, name: str, number: int) -> Part:
    root = package.xml(name)
    blocks: list[str] = []
    title = _shapes(package, name, child(root, "cSld", "spTree"), blocks)
    for notes in package.related(name, "notesSlide"):
        lines = [line for body in _bodies(package.xml(notes)) for line in drawing.paragraphs(body)]
        blocks += ["Speaker notes: " + "\n".join(lines)] if lines else []
    for comments in package.related(name, "comments"):
        texts = _comments(package.xml(comments))
        blocks += ["Comments: " + "\n".join(texts)] if texts else []
    label = f"Slide {number}: {' '.join(title.split())}" if title else f"Slide {number}"
    return Part(text="\n\n".join(blocks), label=label, is_markdown=True)


def _comments(root: Element | None) -> list[str]:
    elements = () if root is None else root.iter("{*}text", "{*}t")
    return [text for element in elements if (text := (element.text or "").strip())]


def _shapes(package: Package, owner: str, tree: Element | None, blocks: list[str]) -> str:
    """Adds what the shapes of a tree say to `blocks`; the title among them."""
    title = ""
    for shape in () if tree is None else tree:
        name = name_of(shape)
        if name in ("sp", "cxnSp"):
            title = _shape(shape, blocks) or title
        elif name == "graphicFrame":
            for table in below(shape, "tbl"):
                blocks += filter(None, [to_table(drawing.grid(table))])
            blocks += drawing.read_drawings(package, owner, shape)
        elif name == "AlternateContent":
            title = _shapes(package, owner, child(shape, "Choice"), blocks) or title
        elif name == "grpSp":
            title = _shapes(package, owner, shape, blocks) or title
    return title


def _shape(shape: Element, blocks: list[str]) -> str:
    """Adds the text of a shape; returns it if it is the slide's title."""
    place = next(below(shape, "ph"), None)
    kind = "" if place is None else attribute(place, "type", "body")
    lines = [(p, text) for p in below(child(shape, "txBody"), "p") if (text := drawing.text_of(p))]
    if not lines or kind == "sldNum":
        return ""
    if kind in _TITLES:
        title = " ".join(" ".join(text for _, text in lines).split())
        blocks.append(f"# {title}")
        return title
    blocks.append("\n".join(_line(p, text, is_list=kind == "body" and len(lines) > 1) for p, text in lines))
    return ""


def _line(paragraph: Element, text: str, *, is_list: bool) -> str:
    properties = child(paragraph, "pPr")
    level = "" if properties is None else attribute(properties, "lvl", "0")
    depth = min(int(level), 8) if level.isdecimal() and len(level) < 3 else 0
    is_item = is_list or depth or child(properties, "buChar") is not None or child(properties, "buAutoNum") is not None
    return f"{'  ' * depth}- {text}" if is_item else text


def _bodies(notes: Element | None) -> list[Element]:
    """The shapes of a notes page that hold the notes: not the slide's picture, its number or the date."""
    shapes = [(shape, next(below(shape, "ph"), None)) for shape in below(notes, "sp")]
    return [s for s, place in shapes if place is not None and attribute(place, "type", "body") == "body"]
