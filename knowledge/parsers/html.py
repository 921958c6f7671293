"""HTML, turned into Markdown so that headings, lists and tables survive."""

from __future__ import annotations

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

from knowledge.types import Part

_SILENT = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head"]


def parse(content: bytes) -> list[Part]:
    return [Part(text=to_markdown(content), is_markdown=True)]


def to_markdown(html: bytes | str) -> str:
    """Markdown of a page's text: no scripts, no pictures, links as their words."""
    page = BeautifulSoup(html, "lxml")
    title = page.title.get_text(strip=True) if page.title else ""
    for element in page(_SILENT):
        element.decompose()
    text: str = MarkdownConverter(heading_style="ATX", strip=["a", "img"], escape_misc=False).convert_soup(page)
    text = text.replace("\x00", "").strip()
    return f"# {title}\n\n{text}" if title and not page.find("h1") and text else text
