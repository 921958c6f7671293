"""Word lists, written as text."""

from __future__ import annotations


def listed(words: str) -> tuple[str, ...]:
    """The words of a text, parted by blanks."""
    return tuple(words.split())
