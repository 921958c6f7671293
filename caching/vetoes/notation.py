"""Notation: what a date, a version and a code mean by how they are written, beyond the values of their numbers."""

from __future__ import annotations

import re
from functools import lru_cache

from caching.vetoes.numbers import UNITS, month_at
from caching.vetoes.tables import listed
from caching.vetoes.words import FUNCTION_WORDS, KEPT, Text, are_alike

_ISO = re.compile(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)")
_WRITTEN = re.compile(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4}|(?<=/)\d\d)")
_DECIMAL = re.compile(r"(\d+)(?:\.(\d+))?")
# A decimal after these is an amount; after another word of meaning it may be a version ("Python 3.10").
_AMOUNT = frozenset(
    listed(
        """
        cost costs costing pay pays paid paying price priced worth fee fees charge charged earn rate score gpa ratio
        equal equals number value under exceed exceeds below above
        """
    )
)
_NO_VERSION = FUNCTION_WORDS | _AMOUNT | UNITS.keys()
_LITTLE = frozenset(listed("a i s u r k x c f g l m v w h d y"))  # articles, plurals, scales and units

Date = tuple[int, int, int]


@lru_cache(maxsize=KEPT)
def _dates(text: Text) -> tuple[frozenset[Date], frozenset[int]]:
    """All-digit dates (year, then month and day where it is certain which is which), and the months that are certain.

    A date of which both numbers may be the month keeps the order in which it is written, its year last: whether it is
    another notation's date nobody can tell.
    """
    dates: set[Date] = set()
    months: set[int] = set()
    forms = text.forms
    for at, form in enumerate(forms):
        if found := _ISO.fullmatch(form):
            year, month, day = map(int, found.groups())
        elif found := _WRITTEN.fullmatch(form):
            first, second, year = map(int, found.groups())
            if first != second and max(first, second) <= 12 and "." not in form:
                dates.add((first, second, year))
                continue
            month, day = (first, second) if second > 12 else (second, first)
        else:
            if named := month_at(forms, at):
                months.add(named)
            continue
        dates.add((year, month, day))
        months.add(month)
    return frozenset(dates), frozenset(months)


@lru_cache(maxsize=KEPT)
def _decimals(text: Text) -> tuple[dict[str, set[str]], frozenset[str]]:
    """Value → how it is written, of every plain number; and the values of those that may be versions."""
    written: dict[str, set[str]] = {}
    versions: set[str] = set()
    forms = text.forms
    for at, form in enumerate(forms):
        if not (found := _DECIMAL.fullmatch(form)):
            continue
        fraction = (found[2] or "").rstrip("0")
        value = f"{found[1].lstrip('0')}.{fraction}"
        written.setdefault(value, set()).add(form)
        before, after = forms[at - 1] if at else "", forms[at + 1] if at + 1 < len(forms) else ""
        if before == "v" or (before.isalpha() and before not in _NO_VERSION and after not in UNITS):
            versions.add(value)
    return written, frozenset(versions)


def differ_in_notation(a: Text, b: Text) -> bool:
    """Dates of the same numbers in another order, or versions of the same value with another number of zeros."""
    if a.forms == b.forms:
        return False
    (dates, months), (their_dates, their_months) = _dates(a), _dates(b)
    if (dates - their_dates and their_dates - dates) or (months - their_months and their_months - months):
        return True
    (written, versions), (their_written, their_versions) = _decimals(a), _decimals(b)
    return any(
        value in written and value in their_written and written[value].isdisjoint(their_written[value])
        for value in versions | their_versions
    )


@lru_cache(maxsize=KEPT)
def _affixes(text: Text) -> dict[tuple[str, int], set[str]]:
    """(number, -1 before or 1 after it) → the single letters that stand there: b of "E404b" and of "E404 b"."""
    found: dict[tuple[str, int], set[str]] = {}
    forms = text.forms
    for at, form in enumerate(forms):
        if form.isdecimal():
            for side in (-1, 1):
                letters = found.setdefault((form, side), set())
                if 0 <= at + side < len(forms) and len(forms[at + side]) == 1 and forms[at + side].isalpha():
                    letters.add(forms[at + side])
    return found


def differ_in_code(a: Text, b: Text) -> bool:
    """One number has another letter before or after it: E404b and E404c; or, of texts that are alike, one has none."""
    ours, theirs = _affixes(a), _affixes(b)
    for place in ours.keys() & theirs.keys():
        letters, others = ours[place] - theirs[place], theirs[place] - ours[place]
        if letters and others and not letters | others <= _LITTLE:
            return True
        if not (ours[place] and theirs[place]) and (letters - b.known | others - a.known) - _LITTLE and are_alike(a, b):
            return True
    return False
