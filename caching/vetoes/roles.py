"""Role order: who does what to whom, and from where to where."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from caching.vetoes.tables import listed
from caching.vetoes.words import FUNCTION_WORDS, Text, stem

_DIRECTED = frozenset(
    listed("to into from than over above under behind onto by of for in on at before after without if when")
)
# What stands in either order: "A versus B", "the difference between A and B".
_SYMMETRIC = frozenset(
    listed(
        "and or vs versus between with different differ difference similar similarity same compare comparison relation "
        "relationship distance related equal"
    )
)
_WINDOW = 3  # words of meaning on each side of a pivot


_PERSONS = {
    form: person
    for person, forms in enumerate(("i me my we us our", "you your", "he him his", "she her", "they them their"))
    for form in listed(forms)
}


def differ_in_roles(a: Text, b: Text) -> bool:
    """Two words have changed sides about a word that both texts have ("A owes B", "B owes A"), or two persons have."""
    if a.forms == b.forms or len(a.known ^ b.known) > 4 or not _SYMMETRIC.isdisjoint(a.known | b.known):
        return False
    if _persons(a) != _persons(b) and _persons(a) == _persons(b)[::-1]:
        return True
    ours, theirs = _sides(a), _sides(b)
    passive = ("by" in a.known) != ("by" in b.known)
    for pivot in ours.keys() & theirs.keys():
        (left, right), (their_left, their_right) = ours[pivot], theirs[pivot]
        went_right = (left & their_right) - their_left - right
        went_left = (right & their_left) - their_right - left
        if went_right and went_left and not passive:
            return True
    return False


def _persons(text: Text) -> list[int]:
    """Who are spoken of, in turn: "Can I call you?" and "Can you call me?" are each other's reverse."""
    return [person for person, _ in groupby(_PERSONS[form] for form in text.forms if form in _PERSONS)]


def _sides(text: Text) -> dict[tuple[str, int], tuple[set[str], set[str]]]:
    """(pivot, how often it stood there before) → the words of meaning just before and just after it."""
    light = FUNCTION_WORDS - {"a"} if "b" in text.known else FUNCTION_WORDS  # where there is a B, A is a name
    stems = [stem(form) for form in text.forms]
    heavy = [at for at, form in enumerate(text.forms) if form not in light]
    found: dict[tuple[str, int], tuple[set[str], set[str]]] = {}
    times: Counter[str] = Counter()
    before = 0  # how many words of meaning stand before `at`
    for at, form in enumerate(text.forms):
        is_heavy = before < len(heavy) and heavy[before] == at
        if is_heavy or form in _DIRECTED:
            after = before + is_heavy
            left = {stems[n] for n in heavy[max(0, before - _WINDOW) : before]}
            found[stems[at], times[stems[at]]] = left, {stems[n] for n in heavy[after : after + _WINDOW]}
            times[stems[at]] += 1
        before += is_heavy
    return found
