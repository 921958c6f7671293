"""HTML, turned into Markdown so that headings, lists and tables survive."""

from __future__ import annotations

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from markdownify import MarkdownConverter

from core.errors import UnreadableFile
from knowledge.parsers.text import BOMS, decode
from knowledge.types import Part

_SILENT = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head"]


def parse(content: bytes) -> list[Part]:
    return [Part(text=to_markdown(_decoded(content)), is_markdown=True)]


def _decoded(content: bytes) -> bytes | str:
    """The page as it is where it tells its encoding, else by the rules for plain text. Raises UnreadableFile."""
    if content.startswith(BOMS) or EncodingDetector.find_declared_encoding(content, is_html=True):
        return content
    if content.count(0) * 5 > len(content):
        raise UnreadableFile("The page is in UTF-16 without a byte-order mark. Save it as UTF-8.")
    return decode(content.replace(b"\x00", b""))


def to_markdown(html: bytes | str) -> str:
    """Markdown of a page's text: no scripts, no pictures, links as their words."""
    page = BeautifulSoup(html, "lxml")
    title = page.title.get_text(strip=True) if page.title else ""
    for element in page(_SILENT):
        element.decompose()
    converter = MarkdownConverter(
        heading_style="ATX", strip=["a", "img"], escape_misc=False, escape_asterisks=False, escape_underscores=False
    )
    text: str = converter.convert_soup(page)
    text = text.replace("\x00", "").strip()
    return f"# {title}\n\n{text}" if title and not page.find("h1") and text else text
