"""Order: from where to where, whom a question asks for, what is done first, and what an "only" restricts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from caching.vetoes.tables import listed
from caching.vetoes.words import FUNCTION_WORDS, KEPT, Text, are_alike, content, stem

_DIRECTIONS = {"to": "to", "into": "to", "onto": "to", "from": "from", "by": "by"}
_OPPOSED = (("to", "from"), ("from", "to"), ("to", "by"), ("by", "to"))
_ARTICLES = frozenset(listed("a an the my your our his her its their this that these those s"))
_ASKERS = frozenset(listed("who whom what which"))
_BE = frozenset(listed("is are was were be been being am"))
_DO = frozenset(listed("do does did"))
_JOINS = frozenset(listed("and then"))
_STEPPING = frozenset(listed("first next finally"))
_SUBJECTS = frozenset(listed("i you he she it we they this that these those there one"))
_Steps = tuple[tuple[str, ...], ...]
_MEANING = frozenset(listed("mean happen"))  # "What means X?" is "What does X mean?"


def differ_in_direction(a: Text, b: Text) -> bool:
    """What one text goes to the other comes from: "a loan to a bank", "to Rome from Paris" and "from Rome to Paris"."""
    ours, theirs = _ends(a), _ends(b)
    return any(ours[here] & theirs[there] - ours[there] - theirs[here] for here, there in _OPPOSED)


@lru_cache(maxsize=KEPT)
def _ends(text: Text) -> dict[str, set[str]]:
    """Direction → the stems of the words of meaning that stand just after a preposition of that direction."""
    named = {"a"} if "b" in text.known else set()  # where there is a B, A is a name
    found: dict[str, set[str]] = {"to": set(), "from": set(), "by": set()}
    direction = ""  # of the preposition before, with nothing but articles since
    for form in text.forms:
        if form in _DIRECTIONS:
            direction = _DIRECTIONS[form]
        elif direction and (form not in _ARTICLES or form in named):
            if (form not in FUNCTION_WORDS or form in named) and not form.endswith("ing"):
                found[direction].add(stem(form))
            direction = ""
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """`doer`: whether it is asked who does it; `pairs`: what may be the verb and the other party, as stems."""

    doer: bool
    pairs: frozenset[tuple[str, str]]


@lru_cache(maxsize=KEPT)
def _asked(text: Text) -> _Asked | None:
    """Who is asked for: the one who does ("Who hired Anna?") or the one it is done to ("Who did Anna hire?")."""
    forms = text.forms
    start = next((at for at, form in enumerate(forms) if form in _ASKERS), None)
    if start is None:
        return None
    rest = forms[start + 1 :]
    heavy = [(at, stem(form)) for at, form in enumerate(rest) if form not in FUNCTION_WORDS]
    do = next((at for at, form in enumerate(rest[:4]) if form in FUNCTION_WORDS), None)  # "which two of", "what do"
    if do is not None and rest[do] in _DO:
        after = [word for at, word in heavy if at > do]
        return _Asked(False, frozenset([(after[1], after[0])])) if len(after) > 1 else None
    if "by" in rest:
        by = rest.index("by")
        agent = next((word for at, word in heavy if at > by), None)
        before = [word for at, word in heavy if at < by]
        if agent is not None and before:
            return _Asked(False, frozenset([(before[-1], agent)]))
        return _Asked(True, frozenset([(before[-1], before[-2])])) if len(before) > 1 else None
    if not _BE.isdisjoint(rest):
        return None
    words = [word for _, word in heavy]
    return _Asked(True, frozenset(pairwise(words)))


def differ_in_asked_role(a: Text, b: Text) -> bool:
    """One asks who does it to a party, the other to whom the party does it: "Who hired Anna?", "Who did Anna hire?"."""
    ours, theirs = _asked(a), _asked(b)
    if ours is None or theirs is None or ours.doer == theirs.doer:
        return False
    for verb, party in ours.pairs:
        for other, their_party in theirs.pairs:
            if _is_one_verb(verb, other) and party == their_party and not {verb, other} & _MEANING and are_alike(a, b):
                return True
    return False


def _is_one_verb(verb: str, other: str) -> bool:
    """Of two verbs at the same place those that begin alike are taken for forms of one: teach, taught."""
    return verb[0] == other[0]


def differ_in_steps(a: Text, b: Text) -> bool:
    """The same words, two of which have changed places between steps, or steps that "then" puts in another order."""
    ours, theirs = _steps(a), _steps(b)
    if len(ours) < 2 or len(ours) != len(theirs) or ours == theirs:
        return False
    words, others = [w for step in ours for w in step], [w for step in theirs for w in step]
    if sorted(words) != sorted(others):
        return False
    if "then" in a.known and "then" in b.known:
        return True
    return _changed_places(words, others, ours, theirs) or _changed_objects(ours, theirs)


def _changed_places(words: list[str], others: list[str], ours: _Steps, theirs: _Steps) -> bool:
    """Just two words have: remove the battery and insert the card, insert the battery and remove the card."""
    turned = [at for at, (word, other) in enumerate(zip(words, others, strict=True)) if word != other]
    if len(turned) != 2 or sorted(map(sorted, ours)) == sorted(map(sorted, theirs)):
        return False
    one, two = turned
    if words[one + 1 : one + 2] == words[two + 1 : two + 2]:  # red apples and green apples, in either order
        return False
    joints = {sum(map(len, ours[:n])) for n in range(1, len(ours))}
    return not (two == one + 1 and two in joints)  # "A and B" is "B and A"


def _changed_objects(ours: _Steps, theirs: _Steps) -> bool:
    """All but their last words have: turn off the gas and open the door, open the gas and turn off the door."""
    if [step[-1] for step in ours] != [step[-1] for step in theirs] or len({step[-1] for step in ours}) == 1:
        return False
    rests, others = [step[:-1] for step in ours], [step[:-1] for step in theirs]
    return all(rests) and rests != others and sorted(rests) == sorted(others)


@lru_cache(maxsize=KEPT)
def _steps(text: Text) -> _Steps:
    """The stems of meaning, parted where "and" or "then" joins two steps."""
    steps: list[list[str]] = [[]]
    for form in text.forms:
        if form in _JOINS:
            steps.append([])
        elif form not in FUNCTION_WORDS and form not in _STEPPING:
            steps[-1].append(stem(form))
    return tuple(tuple(step) for step in steps if step)


def differ_in_focus(a: Text, b: Text) -> bool:
    """An "only" stands before who does it in one text, after it in the other: only employees park, they only park."""
    ours, theirs = _restricts_first(a), _restricts_first(b)
    return None not in (ours, theirs) and ours != theirs and set(content(a)) == set(content(b))


@lru_cache(maxsize=KEPT)
def _restricts_first(text: Text) -> bool | None:
    """Whether the one "only" stands before the first other word of meaning or person; None where it ends the text."""
    forms = text.forms
    if forms.count("only") != 1 or forms[-1] == "only":
        return None
    at = forms.index("only")
    return all(form in FUNCTION_WORDS and form not in _SUBJECTS for form in forms[:at])
