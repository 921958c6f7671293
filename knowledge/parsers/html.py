"""HTML, turned into Markdown so that headings, lists and tables survive."""

from __future__ import annotations

import codecs
import re

from bs4.dammit import EncodingDetector
from lxml import etree

from knowledge.parsers.conversion import SILENT, convert
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.package import Element
from knowledge.parsers.text import BOMS, decode, find_wide, notes_on
from knowledge.types import Part, Reading

_HIDDEN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\s*(?:!|;|$)", re.IGNORECASE)
_MEANT = {  # what browsers take for a declared encoding; by Python's names
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    text = parse_page(content)
    return Reading(parts=(Part(text=text, is_markdown=True),), notes=notes_on(text))


def parse_page(content: bytes) -> str:
    """Markdown of a page in whatever encoding it is. Raises UnreadableFile."""
    if content.startswith(BOMS) or find_wide(content):
        return to_markdown(decode(content))
    content = content.replace(b"\x00", b"")
    declared = EncodingDetector.find_declared_encoding(content, is_html=True) or ""
    text = _declared(content, declared)
    return to_markdown(decode(content) if text is None else text)


def _declared(content: bytes, declared: str) -> str | None:
    """The text in the encoding that the page says it has; None if that is not so."""
    try:
        encoding = codecs.lookup(declared).name
        if encoding.startswith(("utf-16", "utf-32")):  # it could not have been found
            return None
        return content.decode(_MEANT.get(encoding, encoding))
    except (LookupError, ValueError):  # unknown, or not true
        return None


def to_markdown(html: str) -> str:
    """Markdown of a page's text: no scripts, no pictures, nothing hidden, links as their words."""
    # Of bytes in one encoding, for lxml takes no text that declares another.
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    page = etree.HTML(html.replace("\x00", "").encode("utf-8", errors="replace"), parser)
    if page is None:
        return ""
    title = " ".join(page.xpath("string(//title)").split())
    _silence(page)
    text = convert(page).strip()
    return f"# {title}\n\n{text}" if title and page.find(".//h1") is None and text else text


def _silence(page: Element) -> None:
    """Empty what a reader does not see, in place: taken out, each would copy the text behind it."""
    silent = list(page.iter(*SILENT))
    silent += [element for element in page.xpath("//*[@hidden or @style]") if _is_hidden(element)]
    for element in silent:
        element.clear(keep_tail=True)
        element.tag = SILENT[0]


def _is_hidden(element: Element) -> bool:
    """By its own attributes. A whole page is hidden only until its scripts have run."""
    if element.tag in ("html", "body"):
        return False
    is_hidden = "hidden" in element.attrib and element.get("hidden").lower() != "until-found"
    return is_hidden or bool(_HIDDEN.search(element.get("style", "")))
