"""From a file to its text: the one door to the parsers."""

from __future__ import annotations

from typing import IO

from knowledge.parsers import parse
from knowledge.types import Reading


def read(name: str, file: IO[bytes]) -> Reading:
    """The parts of a file that have text. Raises UnsupportedFile, UnreadableFile."""
    return Reading(parts=tuple(parse(name, file.read())))
