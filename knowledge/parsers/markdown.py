"""Markdown."""

from __future__ import annotations

from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.text import decode
from knowledge.types import Part, Reading


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    return Reading(parts=(Part(text=decode(content), is_markdown=True),))
