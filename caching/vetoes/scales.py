"""Scales: words of which one excludes the others, as all, most, some and none do."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from caching.vetoes.tables import listed
from caching.vetoes.words import FUNCTION_WORDS, KEPT, Text, are_alike

# One scale a line, its places parted; the words of one place mean the same, or nearly.
_SCALES = {
    "day": "today tonight | tomorrow | yesterday",
    "frequency": "always constantly | often frequently usually regularly | sometimes occasionally | "
    "rarely seldom infrequently | never",
    "share": "all every each everyone everybody everything | any anyone anybody anything | some several somebody | "
    "most | none nobody",
    "pair": "both | either | neither",
    "duty": "must shall have_to has_to need_to required obliged | should ought | may might can could allowed permitted",
    "turn": "this current | next coming following | last previous past preceding",
}
_PLACES = {
    word: (scale, place)
    for scale, line in _SCALES.items()
    for place, words in enumerate(line.split("|"))
    for word in listed(words)
}
_ANY, _SOME, _NONE = (_PLACES[word][1] for word in ("any", "some", "none"))
_PERIODS = frozenset(
    listed(
        """
        minute hour day week weekend fortnight month quarter semester term season year decade century morning afternoon
        evening night monday tuesday wednesday thursday friday saturday sunday january february march april june july
        august september october november december spring summer autumn winter release version
        """
    )
)
_NOTHING: frozenset[tuple[str, int]] = frozenset()
_DUTIES = frozenset(place for place in _PLACES.values() if place[0] == "duty")
_EXAMPLES = frozenset([_PLACES["some"], _PLACES["should"]])
# "What are some ways?" names the ways; "What should I do?" is asked for "What can I do?", and "How must I …?" for both.
_LOOSE_AFTER = {
    **dict.fromkeys(("how", "why"), _DUTIES),
    **dict.fromkeys(("what", "which", "where"), _EXAMPLES),
    "when": frozenset([_PLACES["should"]]),
}
_IDIOMS = frozenset(
    [("at", "all"), ("after", "all"), ("in", "all"), ("above", "all"), ("of", "all"), ("all", "time"), ("all", "right")]
)
_SUPERLATIVE = frozenset(listed("the my your our his her its their one and or at"))
_BEFORE_MONTH = frozenset(listed("in of since until by early late last next this on the"))


@lru_cache(maxsize=KEPT)
def _stand(text: Text) -> Counter[tuple[str, int]]:
    """Where the text stands on each scale, and how often: (scale, place)."""
    found: Counter[tuple[str, int]] = Counter()
    loose: set[tuple[str, int]] = set()  # what tells nothing behind the question words met so far
    forms = ("", *text.forms, "")
    for at, form in enumerate(forms[1:-1], 1):
        loose |= _LOOSE_AFTER.get(form, _NOTHING)
        before, after = forms[at - 1], forms[at + 1]
        place = _PLACES.get(f"{form}_{after}") or _PLACES.get(form)
        if place and place not in loose and _counts(place[0], form, before, after):
            found[place] += 1
    return found


def _counts(scale: str, form: str, before: str, after: str) -> bool:
    if scale == "turn":
        return after in _PERIODS
    if scale == "frequency":
        return before not in ("how", "not")
    if scale == "share":
        if form == "most":  # "the most", "easiest and most …" are superlatives
            return before not in _SUPERLATIVE and (before in FUNCTION_WORDS or not before)
        return (before, form) not in _IDIOMS and (form, after) not in _IDIOMS
    return form != "may" or not (before in _BEFORE_MONTH or after[:1].isdigit())


def differ_on_scale(a: Text, b: Text) -> bool:
    """Of texts that are alike each has a place on one scale that the other has not: today here, tomorrow there."""
    ours, theirs = _stand(a) - _stand(b), _stand(b) - _stand(a)
    if not ours or not theirs or not are_alike(a, b):
        return False
    return any(
        scale == other and not (scale == "share" and _ANY in (place, their) and {place, their} <= {_ANY, _SOME, _NONE})
        for scale, place in ours
        for other, their in theirs
    )
