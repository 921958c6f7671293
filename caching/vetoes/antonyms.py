"""Antonyms: pairs of words that ask for opposite things."""

from __future__ import annotations

from collections import defaultdict

from caching.vetoes.opposites import IRREGULAR, VERBS, WORDS
from caching.vetoes.tables import listed
from caching.vetoes.words import Text

_PARTICLES = frozenset(listed("on off in out up down"))
_REACH = 4  # words between a verb and its particle: "turn the dark mode on"


def _inflected(verb: str) -> set[str]:
    base = verb.removesuffix("e")
    regular = {verb, verb + "s", base + "ing", base + "ed"}
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        regular.add(verb + "es")
    return regular | set(IRREGULAR.get(verb, "").split())


def _table() -> dict[str, tuple[tuple[int, int], ...]]:
    """form → the (pair, side) that it stands for."""
    found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    lines = [(line, True) for line in VERBS.split("\n")] + [(line, False) for line in WORDS.split("\n")]
    for pair, (line, verbs) in enumerate((line, verbs) for line, verbs in lines if line):
        for side, half in enumerate(line.split("|")):
            for word in half.split():
                for form in _inflected(word) if verbs else (word,):
                    found[form].append((pair, side))
    return {form: tuple(places) for form, places in found.items()}


_SIDES = _table()
_PARTICLE_VERBS = {
    form: verb
    for verb in listed("turn switch log sign check opt zoom clock scale speed slow power plug")
    for form in (*_inflected(verb), *(verb + verb[-1] + ending for ending in ("ed", "ing")))
}


def _opposed(text: Text, other: Text) -> dict[int, int]:
    """Of the words that only `text` has: pair → 1 for its left side, 2 for its right one, 3 for both."""
    found: dict[int, int] = {}
    for form in (*(text.known - other.known), *(_phrasal(text.forms) - _phrasal(other.forms))):
        for pair, side in _SIDES.get(form, ()):
            found[pair] = found.get(pair, 0) | 1 << side
    return found


def _phrasal(forms: tuple[str, ...]) -> set[str]:
    """Verbs with their particles: turn_off of "turn the lights off"."""
    found = set()
    for at, form in enumerate(forms):
        if form in _PARTICLE_VERBS:
            particle = next((word for word in forms[at + 1 : at + 2 + _REACH] if word in _PARTICLES), None)
            if particle:
                found.add(f"{_PARTICLE_VERBS[form]}_{particle}")
    return found


def differ_by_antonym(a: Text, b: Text) -> bool:
    """Where the texts differ, one holds one member of a pair and the other its opposite, and neither holds both."""
    ours, theirs = _opposed(a, b), _opposed(b, a)
    return any(sides + theirs.get(pair, 0) == 3 and sides != 3 for pair, sides in ours.items() if pair in theirs)
