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


_POINTS_ELSEWHERE = re.compile(
    r"\b(?:it|itself|they|them|theirs|he|him|she|hers|this|these|those|former|latter|above|previous|continue)\b|"
    r"\bthat(?=\s*(?:[?.!,]|$)|\s+(?:is|was|are|be|one|mean|means)\b)|"
    r"\b(?:about|of|for|with|like|do|does|did|is|was|than|after|before|to)\s+that\b",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\b(?:its|their|his|her)\b", re.IGNORECASE)
_SAYS_NOTHING = re.compile(
    r"a|about|again|all|an|and|any|are|as|at|be|but|by|can|continue|could|did|do|does|else|for|from|go|great|had|has|"
    r"have|hello|hey|hi|how|i|if|in|is|it|just|know|lets|me|more|much|my|need|next|no|nope|not|now|of|oh|ok|okay|on|"
    r"one|or|our|out|please|right|say|should|so|some|sure|tell|thank|thanks|that|the|then|there|thing|this|to|too|up|"
    r"us|very|want|was|we|well|what|whats|when|where|which|who|why|will|with|would|yeah|yes|yep|you|your|\d+"
)
LEAST_CONTENT = 2  # words that say something; in a script without spaces, letters


def is_shareable(text: str, history: Sequence[Turn]) -> bool:
    """Whether a question may be matched by its meaning alone: with nothing before it that bears on it, nothing
    in it that points elsewhere, and something in it at all ("continue", "yes" and "thanks" ask for nothing).

    "Their" points elsewhere unless something came before it that may own: "How do customers return their goods?"
    """
    if history or _POINTS_ELSEWHERE.search(text):
        return False
    owned = _POSSESSIVE.search(text)
    return has_content(text) and (owned is None or has_content(text[: owned.start()]))


def has_content(text: str, *, least: int = LEAST_CONTENT) -> bool:
    """Whether at least so many words of a text say something, or enough letters in a script without spaces."""
    words = re.findall(r"\w+", text.casefold().replace("'", "").replace("’", ""))
    content = [word for word in words if not _SAYS_NOTHING.fullmatch(word)]
    unspaced = sum(len(word) for word in content if not word.isascii() and len(word) > LEAST_CONTENT)
    return len(content) >= least or unspaced > 2 * LEAST_CONTENT


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
