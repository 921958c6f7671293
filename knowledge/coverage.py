"""How much a search trusts an embedder in a language."""

from __future__ import annotations

import re

from knowledge.languages import detect

COVERED = 0.4  # the dense side's weight in a language that its model knows
UNCOVERED = 0.2
FOREIGN = 0.1  # in a script that it does not: its vectors are close to noise there
# Models that saw English alone, or nearly so, by what their names have in common.
_ENGLISH_ONLY = re.compile(r"all-minilm|all-mpnet|msmarco|multi-qa|-en\b|e5-(small|base|large)(-v2)?$|ada-001", re.I)
_LATIN = frozenset(
    ["ca", "cs", "da", "de", "en", "es", "fi", "fr", "hu", "id", "it", "nl", "no", "pl", "pt", "ro", "sv", "tr"]
)


def dense_weight(model: str, text: str) -> float:
    """The dense side's share of the score of a passage, 0 to 1."""
    if not _ENGLISH_ONLY.search(model) or "multilingual" in model.lower():
        return COVERED
    language = detect(text)
    if language in ("", "en"):
        return COVERED
    return UNCOVERED if language in _LATIN else FOREIGN
