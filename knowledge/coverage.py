"""How much a search trusts an embedder in the language of a question."""

from __future__ import annotations

import re

from knowledge.languages import detect

COVERED = 0.55  # the dense side's share of the score in a language that its model knows
UNCOVERED = 0.2
FOREIGN = 0.02  # in a script that it does not: its vectors are close to noise there
# Models that saw English alone, or nearly so, by what their names have in common.
_ENGLISH_ONLY = re.compile(r"all-minilm|all-mpnet|msmarco|multi-qa|-en\b|e5-(small|base|large)(-v2)?$|ada-001", re.I)
_BEYOND_LATIN = re.compile(r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]")


def dense_weight(model: str, question: str) -> float:
    """The dense side's share of a passage's score, 0 to 1."""
    if not _ENGLISH_ONLY.search(model) or "multilingual" in model.lower():
        return COVERED
    if len(_BEYOND_LATIN.findall(question)) > 1:  # more than the Greek letter of a formula
        return FOREIGN
    return COVERED if detect(question) in ("", "en") else UNCOVERED
