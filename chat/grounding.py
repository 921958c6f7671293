"""Citations: which numbers in an answer have a source, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable

from caching.types import Source

# Formulas as chat.formulas reads them, without its finer points.
_CODE = re.compile(
    r"(```.*?(?:```|\Z)|`[^`\n]*`|\\\((?:(?!\n\n).){1,2000}?\\\)|\$\$(?:(?!\n\n).){1,2000}?\$\$"
    r"|(?<![\w$\\])\$(?![\s\d$])[^$\n]{1,500}?(?<!\s)\$(?![\w$]))",
    re.DOTALL,
)
# Not what is a link, nor a line that defines one: `[1](address)`, `[1]: address`.
CITATION = re.compile(r"(?!^ ?\[\d{1,4}\]:)[ \t]?\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\](?!\()", re.MULTILINE)


def check_citations(text: str, sources: int) -> str:
    """The text with every number that has no source taken out, and lists of numbers set apart: `[1, 9]` → `[1]`.

    Code and formulas are left alone: `[0]` there is an index.
    """
    parts = _CODE.split(text)
    return "".join(part if i % 2 else CITATION.sub(lambda m: _known(m, sources), part) for i, part in enumerate(parts))


def cited_numbers(text: str, sources: int) -> set[int]:
    """The sources that an answer cites."""
    prose = "".join(_CODE.split(text)[::2])
    numbers = (int(n) for match in CITATION.finditer(prose) for n in re.findall(r"\d+", match[1]))
    return {n for n in numbers if 1 <= n <= sources}


def highest_number(sources: Iterable[Source]) -> int:
    """The highest number that an answer with these sources may cite; those of a cached answer may have gaps."""
    return max((source.n for source in sources), default=0)


def _known(match: re.Match[str], sources: int) -> str:
    numbers = [n for n in map(int, re.findall(r"\d+", match[1])) if 1 <= n <= sources]
    space = match[0][: len(match[0]) - len(match[0].lstrip())]
    return space + "".join(f"[{n}]" for n in numbers) if numbers else ""
