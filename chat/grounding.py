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
_RANGE = r"[1-9]\d{0,2} ?[-–—] ?[1-9]\d{0,2}"
_ITEM = rf"(?:(?i:source|passage|document|doc|citation|reference|ref)s?[ :#]{{1,3}})?(?:{_RANGE}|\d{{1,4}}(?!\d))"
_LIST = rf"\s*({_ITEM}(?:\s*[,;、，]\s*{_ITEM})*)\s*"
# As models write them: `[1]`, `[1, 2]`, `[1-3]`, `[Source 1]`, `[[1]](address)`, DeepSeek `[citation:1]`, GPT `【1】`,
# `【1†L3-L9】`, and `【4:0†source】`, a file of its own. Not what is a link, or a line that defines one: `[1](address)`
# and `[1]: address`.
CITATION = re.compile(
    rf"(?!^ ?\[\d{{1,4}}\]:)[ \t]?(?:\[\[{_LIST}\]\](?:\((?:[^()\n]|\([^()\n]*\)){{0,2000}}\))?"
    rf"|\[{_LIST}\](?!\()|【(?:{_LIST}|\d{{1,4}}:\d{{1,4}})(?:†[^【】\n]{{0,200}})?】)",
    re.MULTILINE,
)
# A footnote (Qwen; Kimi: `[^1^]`), which is a citation where no line defines it.
NOTE = re.compile(r"[ \t]?\[\^(\d{1,4})\^?\]")
_DEFINED = re.compile(r"^[ \t>]*\[\^(\d{1,4})\^?\]:", re.MULTILINE)
_NUMBERS = re.compile(r"(\d+)(?: ?[-–—] ?(\d+))?")


def check_citations(text: str, sources: int) -> str:
    """The text with every number that has no source taken out, and the others each in its brackets: `[1, 9]` → `[1]`.

    Code and formulas are left alone: `[0]` there is an index.
    """
    parts = _CODE.split(text)
    defined = set(_DEFINED.findall(text))

    def known(match: re.Match[str]) -> str:
        space = match[0][: len(match[0]) - len(match[0].lstrip())]
        numbers = "".join(f"[{n}]" for n in numbers_of(match, sources))
        return space + numbers if numbers else ""

    def checked(part: str) -> str:
        part = NOTE.sub(lambda match: match[0] if match[1] in defined else known(match), part)
        return CITATION.sub(known, part)

    return "".join(part if i % 2 else checked(part) for i, part in enumerate(parts))


def numbers_of(citation: re.Match[str], sources: int) -> list[int]:
    """The numbers with a source of what CITATION or NOTE has matched."""
    written = next(filter(None, citation.groups()), "")
    ends = ((int(first), int(last or first)) for first, last in _NUMBERS.findall(written))
    return [n for first, last in ends for n in range(max(first, 1), min(last, sources) + 1)]


def cited_numbers(text: str, sources: int) -> set[int]:
    """The sources that an answer cites."""
    prose = "".join(_CODE.split(text)[::2])
    return {n for match in CITATION.finditer(prose) for n in numbers_of(match, sources)}


def highest_number(sources: Iterable[Source]) -> int:
    """The highest number that an answer with these sources may cite; those of a cached answer may have gaps."""
    return max((source.n for source in sources), default=0)
