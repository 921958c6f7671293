"""Negation: whether one question denies what the other says."""

from __future__ import annotations

from itertools import pairwise

from caching.vetoes.tables import listed
from caching.vetoes.words import NEGATORS, Text, are_alike

_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "anti", "de")
# Said without denying anything: "whether or not", "not only".
_NOT_NEGATING = frozenset([("or", "not"), ("not", "only"), ("no", "matter"), ("not", "just"), ("if", "not")])
_DENIES = NEGATORS | {"non", "unless"}  # "non-refundable" is not refundable; "unless I pay" is "if I do not pay"
_AUXILIARIES = frozenset(listed("is are was were do does did has have had can could would should will"))


# Verbs that deny without a "not": "stop caring" is "not care", "failed to win" is "did not win".
_DENYING = frozenset(
    listed(
        """
        stop stops stopped stopping avoid avoids avoided avoiding ignore ignores ignored ignoring fail fails failed
        failing refuse refuses refused refusing quit instead hardly barely indifferent
        """
    )
)


def differ_in_negation(a: Text, b: Text) -> bool:
    """An odd number of negations between two texts that are alike; "unhappy" beside "happy" is one.

    Where only one of them has a verb that denies in itself, counting tells nothing.
    """
    if not _DENYING.isdisjoint(a.known ^ b.known) and not (_DENYING & a.known and _DENYING & b.known):
        return False
    return are_alike(a, b) and (_negations(a, b) + _negations(b, a)) % 2 == 1


# What is nearly so is not so, and what is barely so is.
_DEGREES = {word: degree for degree, words in enumerate(("nearly almost", "barely hardly scarcely"))
            for word in listed(words)}  # fmt: skip


def differ_in_degree(a: Text, b: Text) -> bool:
    """Of texts that are alike one says nearly or barely, and the other says so outright or the other of the two.

    "I can hardly hear" is "I cannot hear" to most: beside a denial such a word tells nothing.
    """
    ours = {_DEGREES[form] for form in a.known if form in _DEGREES}
    theirs = {_DEGREES[form] for form in b.known if form in _DEGREES}
    return ours != theirs and not _DENIES & (a.known ^ b.known) and are_alike(a, b)


def _negations(text: Text, other: Text) -> int:
    count = sum(form in _DENIES for form in text.forms)
    if count:
        count -= sum(pair in _NOT_NEGATING for pair in pairwise(text.forms))
        count -= sum(_is_rhetorical(text, at) for at, form in enumerate(text.forms) if form == "not")
    for form in text.known - other.known:
        for prefix in _PREFIXES:
            if form.startswith(prefix) and len(form) > len(prefix) + 3:
                base = form[len(prefix) :]
                if base in other.known and base not in text.known:
                    count += 1
        if form.endswith("less") and len(form) > 6 and not {form[:-4], form[:-4] + "ful"}.isdisjoint(other.known):
            count += 1
    return count


def _is_rhetorical(text: Text, at: int) -> bool:
    """A "not" that changes nothing: "Isn't it …?" asks what "Is it …?" asks, "why or why not?" what "why?" asks."""
    words, forms = text.words, text.forms
    return (at >= 1 and words[at - 1].opens and forms[at - 1] in _AUXILIARIES) or (
        at >= 2 and forms[at - 1] == "why" and (forms[at - 2] in ("or", "and", "why") or words[at - 1].opens)
    )
