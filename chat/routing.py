"""Is a question to be understood by itself, or only from what was said before?

In doubt it is a follow-up: that costs a cache hit, while the opposite error costs a wrong answer. A
standalone question is answered without the history, so that it has the same answer, and the same place
in the cache, in whichever conversation it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from caching.types import Turn

LEAST_WORDS = 4
_OPENING = re.compile(
    r"(?:what|which|who|whose|whom|when|where|why|how|is|are|was|were|does|do|did|can|could|will|would|should|may|must|"
    r"has|have|list|name|explain|describe|summari[sz]e|define|compare|show|find|give)\b",
    re.IGNORECASE,
)
_LEANS_ON_CONTEXT = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|then|one|ones|"
    r"former|latter|above|below|previous|earlier|before|again|more|another|else|other|others|also|too|same|such|instead|"
    r"continue|next|last|first|second|i|me|my|mine|we|us|our|ours|you|your|said|told|mean|meant|answer|question)\b",
    re.IGNORECASE,
)


def is_standalone(text: str) -> bool:
    """Whether a question asks, in English, for something that it names itself."""
    words = text.split()
    return len(words) >= LEAST_WORDS and bool(_OPENING.match(text)) and not _LEANS_ON_CONTEXT.search(text)


def relevant_history(text: str, history: Sequence[Turn]) -> tuple[Turn, ...]:
    """What was said before, as far as it bears on the question: all of it, or nothing.

    Nothing only while every question so far stood alone: an instruction among them ("answer in French")
    bears on all that follow.
    """
    asked = [turn.content for turn in history if turn.role == "user"]
    return () if all(map(is_standalone, [*asked, text])) else tuple(history)


def search_text(text: str, history: Sequence[Turn]) -> str:
    """What to search for: a follow-up is searched together with the question before it."""
    asked = [turn.content for turn in history if turn.role == "user"]
    return f"{asked[-1]}\n{text}" if asked else text
