"""Vetoes: hard differences between two questions that a similarity of vectors does not see."""

from __future__ import annotations

from collections.abc import Callable

from caching.vetoes.antonyms import differ_by_antonym
from caching.vetoes.names import differ_in_names
from caching.vetoes.negation import differ_in_degree, differ_in_negation
from caching.vetoes.notation import differ_in_code, differ_in_notation
from caching.vetoes.numbers import differ_in_number, differ_in_unit
from caching.vetoes.order import differ_in_asked_role, differ_in_direction, differ_in_focus, differ_in_steps
from caching.vetoes.questions import are_unreadable, differ_in_question
from caching.vetoes.roles import differ_in_roles
from caching.vetoes.scales import differ_on_scale
from caching.vetoes.words import Text, read

_CHECKS: dict[str, tuple[Callable[[Text, Text], bool], ...]] = {
    "number": (differ_in_number, differ_in_notation, differ_in_code),
    "unit": (differ_in_unit,),
    "negation": (differ_in_negation, differ_in_degree),
    "antonym": (differ_by_antonym, differ_on_scale),
    "name": (differ_in_names,),
    "role": (differ_in_roles, differ_in_direction, differ_in_asked_role, differ_in_steps, differ_in_focus),
    "question": (differ_in_question,),
    "language": (are_unreadable,),
}
KINDS = tuple(_CHECKS)


def find_veto(asked: str, known: str) -> str | None:
    """The kind of the first hard difference between two questions, one of KINDS, or None.

    Symmetric in its arguments. Knows English; a text in another language agrees with nothing but its own words.
    """
    a, b = read(asked), read(known)
    return next((kind for kind, checks in _CHECKS.items() if any(differ(a, b) for differ in checks)), None)


def list_vetoes(asked: str, known: str) -> list[str]:
    """Every kind of hard difference between two questions."""
    a, b = read(asked), read(known)
    return [kind for kind, checks in _CHECKS.items() if any(differ(a, b) for differ in checks)]
