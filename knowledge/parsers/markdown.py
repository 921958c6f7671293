"""Markdown."""

from __future__ import annotations

from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.text import decode, notes_on
from knowledge.types import Part, Reading


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    text = decode(content)
    return Reading(parts=(Part(text=text, is_markdown=True),), notes=notes_on(text))
