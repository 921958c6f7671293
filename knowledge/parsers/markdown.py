"""Markdown."""

from __future__ import annotations

from knowledge.parsers.text import decode
from knowledge.types import Part


def parse(content: bytes) -> list[Part]:
    return [Part(text=decode(content), is_markdown=True)]
