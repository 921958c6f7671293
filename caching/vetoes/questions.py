"""What a question asks for, and whether it is asked in the one language that the vetoes know."""

from __future__ import annotations

import re
from functools import lru_cache

from caching.vetoes.tables import listed
from caching.vetoes.words import FILLER, FUNCTION_WORDS, KEPT, NEGATORS, Text, are_alike

# What is asked for, by the first pattern that the text (folded words, one blank between them) holds.
_ASKED = tuple((kind, re.compile(rf"\b(?:{pattern})\b")) for kind, pattern in (
    ("age", r"how old|what age|what is the age"),
    ("duration", r"how long|how much time|how many (?:minutes|hours|days|weeks|months|years)"),
    ("frequency", r"how often|how frequently|how many times"),
    ("distance", r"how far"),
    ("size", r"how (?:tall|big|large|high|deep|wide|heavy)"),
    ("amount", r"how (?:much|many)|what (?:is|are) the (?:cost|price|number|amount|fee|fees|salary)"),
    ("reason", r"why|how come|what (?:is|are|was|were) the (?:\w+ )?(?:reason|reasons|cause|causes)|for what reason"),
    ("person", r"who|whom|whose|which person|what person"),
    ("time", r"when (?!i\b|you\b|we\b|my\b|your\b|it\b)|what time|what (?:date|day|year)|which (?:date|day|year)"),
    ("place", r"where|what (?:place|city|country)|which (?:place|city|country)"),
    ("manner", r"how"),
))  # fmt: skip
# Asked one for the other by people who mean the same, oftener than not.
_COMPATIBLE = frozenset(
    frozenset(pair.split())
    for pair in (
        "manner place", "manner time", "manner reason", "manner duration", "manner distance", "manner age",
        "amount manner", "duration time", "age time", "amount size", "distance duration", "place person",
    )
)  # fmt: skip
# Function words that other languages written in Latin letters share say nothing about the language.
_ENGLISH = (FUNCTION_WORDS | NEGATORS) - frozenset(
    listed("a an i me in on was am will do die no so her he of at s d m re t d ll te or if to one ones as it us his")
)
_FOREIGN = frozenset(
    listed(
        """
        der die das den dem des ein eine einen einem einer und oder ist sind nicht wie wer wo wann warum mit von zu
        für fur auf ich du er sie wir ihr mein meine kann man im zum zur bei nach le la les un une et ou est sont ne
        pas que qui quoi comment pourquoi quand je tu il elle nous vous mon ma mes dans pour avec sur au aux du ce
        cette el los las uno y o es son que quien como cuando donde porque yo tu mi mis en por para con del al se su
        puedo lo gli di da che chi come perche quando dove sono non per della nel os ao e em nao meu minha posso de
        het een en van ik je hoe wat waar niet op met voor kya hai ka ki ke kaise mein nahi ko se aur
        """
    )
)
_KEYWORDS = 6  # as many words need no grammar to be a query


@lru_cache(maxsize=KEPT)
def asked_for(text: Text) -> str | None:
    """The kind of answer that the question wants, None where its words do not say."""
    written = " ".join(text.forms[:64])
    return next((kind for kind, pattern in _ASKED if pattern.search(written)), None)


def differ_in_question(a: Text, b: Text) -> bool:
    """Texts that are alike want answers of two kinds that are never asked one for the other."""
    ours, theirs = asked_for(a), asked_for(b)
    if ours == theirs or not are_alike(a, b):
        return False
    return ours is not None and theirs is not None and frozenset((ours, theirs)) not in _COMPATIBLE


def are_unreadable(a: Text, b: Text) -> bool:
    """One of them is not in English, and they are not the same words."""
    return (_is_foreign(a) or _is_foreign(b)) and _told(a) != _told(b)


def _is_foreign(text: Text) -> bool:
    letters = [form for form in text.forms if form[0].isalpha()]
    if 2 * sum(len(form) for form in letters if not form.isascii()) > sum(map(len, letters)):
        return True
    foreign = sum(form in _FOREIGN for form in letters)
    english = sum(form in _ENGLISH for form in letters)
    if not foreign:
        english += sum(form in FUNCTION_WORDS for form in letters)
    return (foreign > english and foreign > 1) or (english == 0 and len(letters) > _KEYWORDS)


def _told(text: Text) -> str:
    return "".join(form for form in text.forms if form not in FILLER)
