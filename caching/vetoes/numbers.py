"""Quantities: numbers however they are written, and the units they are counted in."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from caching.vetoes.tables import listed
from caching.vetoes.words import FUNCTION_WORDS, KEPT, Text, are_alike

_SMALL = {word: n for n, word in enumerate(
    listed(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    ))}  # fmt: skip
_TENS = {word: 10 * n for n, word in enumerate(listed("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
_SMALL_OR_TENS = frozenset((*_SMALL, *_TENS))
_SCALES = {"hundred": 100, "thousand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7, "billion": 10**9,
           "trillion": 10**12}  # fmt: skip
_SHORT_SCALES = {"k": 10**3, "mn": 10**6, "bn": 10**9, "lac": 10**5, "cr": 10**7}
_AFTER_DIGITS = {**_SCALES, **_SHORT_SCALES}
_ORDINALS = {word: n for n, word in enumerate(
    listed("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), 1)}  # fmt: skip
_OTHERS = {"twice": 2, "thrice": 3, "dozen": 12, "hundredth": 100, "thousandth": 1000, "twentieth": 20, "thirtieth": 30}
ROMAN = {word: n for n, word in enumerate(listed("II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI"), 2)}
_PLAIN_ROMAN = frozenset(listed("V X"))  # letters more often than numbers
# "one" and "first" are mostly no numbers ("which one", "at first"): they may meet a 1, nothing has to meet them.
_WEAK = frozenset({"one", "first", "once", "single"})
MONTHS = {month: n for n, months in enumerate(
    ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
     "september sep sept", "october oct", "november nov", "december dec"), 1) for month in months.split()}  # fmt: skip

_LARGEST = 10**18  # where words go on ("thousand thousand …") another number begins
_GROUPED = re.compile(r"\d{1,3}(?:,\d{2,3})+(?:\.\d+)?")

_DIMENSIONS = {
    "length": "mm/millimeter/millimetre cm/centimeter/centimetre/cms km/kilometer/kilometre/kms/kmph meter/metre "
    "mile/mi inch/inches foot/feet/ft yard/yd nanometer/nm",
    "mass": "mg/milligram gram/gm/grams/g kg/kilogram/kilo/kgs lb/lbs/pound ounce/oz ton/tonne",
    "volume": "ml/milliliter/millilitre liter/litre/l gallon/gal pint cup tablespoon/tbsp teaspoon/tsp",
    "time": "millisecond/ms second/sec/secs/seconds minute/min/mins hour/hr/hrs/hourly day/daily week/weekly/wk "
    "month/monthly year/yearly/annual/annually/yr/yrs decade century/centuries",
    "money": "$/dollar/usd/bucks €/euro/eur £/gbp/sterling ₹/rupee/rs/inr ¥/yen/jpy yuan/rmb/cny peso franc "
    "ruble/rouble krona/krone dirham dinar cent",
    "heat": "celsius/centigrade/c fahrenheit/f kelvin",
    "data": "kb/kilobyte mb/megabyte gb/gigabyte tb/terabyte mbps gbps kbps",
    "power": "watt/w kw/kilowatt mw/megawatt volt/v amp/ampere/amps",
    "share": "%/percent/percentage percentile",
    "clock": "am pm",
}
_AFTER_NUMBER = frozenset(listed("am pm c f g l w v mi ms min ft cup foot cent yard mm cm ton rs"))
UNITS = {
    form + plural: (dimension, group)
    for dimension, line in _DIMENSIONS.items()
    for group in line.split()
    for plural in ("s", "")
    for form in group.split("/")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    numbers: tuple[str, ...]  # in order; each has to be met on the other side
    loose: frozenset[str]  # may meet one
    units: frozenset[tuple[str, str]]  # (dimension, unit)
    counted: frozenset[tuple[str, str, str]]  # (number, dimension, unit) of those that follow a number


@lru_cache(maxsize=KEPT)
def quantities(text: Text) -> Quantities:
    """Numbers in one spelling ("1,000" = "one thousand" = "1k"), and units, of a text."""
    numbers: list[str] = []
    loose: set[str] = set()
    units: set[tuple[str, str]] = set()
    counted: set[tuple[str, str, str]] = set()
    forms = text.forms
    at, last = 0, None  # the number just before `at`, if one is there
    while at < len(forms):
        form = forms[at]
        if _starts_number(form) and not (form == "second" and _is_time(forms, at)):
            values, weak, after = _number(forms, at)
            (loose.update if weak else numbers.extend)(values)
            at, last = after, values[-1]
            continue
        if (number := month_at(forms, at) or _roman(text, at)) is not None:
            numbers.append(str(number))
        elif form in UNITS and (form not in _AFTER_NUMBER or last or (form == "rs" and at + 1 < len(forms))):
            units.add(UNITS[form])
            if last:
                counted.add((last, *UNITS[form]))
        at, last = at + 1, None
    return Quantities(
        numbers=tuple(numbers),
        loose=frozenset(loose),
        units=frozenset(units),
        counted=frozenset(counted),
    )


def _is_time(forms: tuple[str, ...], at: int) -> bool:
    """A "second" of a minute, not the one after the first: "per second", "30 second", "in a second"."""
    before = forms[at - 1] if at else ""
    if before in ("a", "each", "every"):
        return at + 1 == len(forms) or forms[at + 1] in FUNCTION_WORDS
    return before == "per" or (bool(before) and _starts_number(before))


def month_at(forms: tuple[str, ...], at: int) -> int | None:
    """The number of a month that stands in a date: "5 May", "May 2021", not "you may"."""
    around = (*forms[max(0, at - 2) : at], *forms[at + 1 : at + 2])
    return MONTHS.get(forms[at]) if any(form[-1].isdigit() for form in around) else None


def _roman(text: Text, at: int) -> int | None:
    written = text.words[at].written
    if written in _PLAIN_ROMAN and not (at and text.words[at - 1].written[:1].isupper()):
        return None
    return ROMAN.get(written)


def _starts_number(form: str) -> bool:
    return (
        form[-1].isdigit() or form in _SMALL or form in _TENS or form in _SCALES or form in _ORDINALS or form in _OTHERS
    )


def _number(forms: tuple[str, ...], at: int) -> tuple[list[str], bool, int]:
    """The number that begins at `at`: its values (a date or a range has several), whether it is loose, what follows."""
    form = forms[at]
    if form[-1].isdigit():
        after = at + 1
        scale = 1
        while after < len(forms) and scale < _LARGEST and (by := _AFTER_DIGITS.get(forms[after])):
            scale *= by
            after += 1
        if after < len(forms) and forms[after] in ("st", "nd", "rd", "th"):
            after += 1
        return _digits(form, scale), False, after
    if form in _ORDINALS or form in _OTHERS:
        return [str(_ORDINALS.get(form) or _OTHERS[form])], form in _WEAK, at + 1
    return _words(forms, at)


def _digits(form: str, scale: int) -> list[str]:
    if _GROUPED.fullmatch(form):
        form = form.replace(",", "")
    values = []
    for part in re.split(r"[,/]|(?<=\d)-", form):
        negative, digits = part.startswith("-"), part.removeprefix("-").removesuffix(":00")
        if scale > 1 and digits.count(".") <= 1 and ":" not in digits and len(digits) < 16:
            digits = f"{Decimal(digits) * scale:f}"
        pieces = [piece.lstrip("0") or "0" for piece in digits.split(".")]
        if len(pieces) == 2:
            pieces = [pieces[0], digits.split(".")[1].rstrip("0")]
        values.append("-" * negative + ".".join(piece for piece in pieces if piece))
    return values


def _words(forms: tuple[str, ...], at: int) -> tuple[list[str], bool, int]:
    """A number in words ("two thousand and sixteen"): the sum of products, until a word that is none of it."""
    begin, total, part = at, 0, 0
    while at < len(forms) and total + part < _LARGEST:
        form = forms[at]
        if form in _SCALES:
            part = max(part, 1) * _SCALES[form]
            if _SCALES[form] > 100:
                total, part = total + part, 0
        elif form in _TENS:
            part += _TENS[form]
        elif form in _SMALL and (at == begin or forms[at - 1] not in _SMALL):
            part += _SMALL[form]
        elif form in _ORDINALS and at > begin and forms[at - 1] in _TENS:
            return [str(total + part + _ORDINALS[form])], False, at + 1
        elif not (
            form == "and"
            and forms[at - 1] in _SCALES
            and forms[at + 1 : at + 2]
            and forms[at + 1] in {**_SMALL, **_TENS}
        ):
            break
        at += 1
    loose = at == begin + 1 and (forms[begin] in _WEAK or forms[begin] in _SCALES)
    return [str(total + part)], loose, at


def differ_in_number(a: Text, b: Text) -> bool:
    """Each side has a number that the other has not; or, of texts that are alike, one has numbers and the other none.

    People leave a year out, and mean the same, more often than not (of labelled pairs that differ in that alone): but
    documents have an answer for each year.
    """
    ours, theirs = quantities(a), quantities(b)
    all_ours, all_theirs = ours.loose.union(ours.numbers), theirs.loose.union(theirs.numbers)
    lacking_a, lacking_b = set(ours.numbers) - all_theirs, set(theirs.numbers) - all_ours
    if (lacking_a and all_theirs - all_ours) or (lacking_b and all_ours - all_theirs):
        return True
    if _exceed(ours, theirs) and _exceed(theirs, ours):  # 5 May and 6 May, May being a 5 too
        return True
    one_sided = (lacking_a and not theirs.numbers) or (lacking_b and not ours.numbers)
    return bool(one_sided) and are_alike(a, b)


def _exceed(ours: Quantities, theirs: Quantities) -> bool:
    return any(number not in theirs.loose for number in Counter(ours.numbers) - Counter(theirs.numbers))


def differ_in_unit(a: Text, b: Text) -> bool:
    """Of one dimension each side has a unit that the other has not: days here, weeks there; or one number has two."""
    ours, theirs = quantities(a), quantities(b)
    lacking_a = {dimension for dimension, _ in ours.units - theirs.units}
    lacking_b = {dimension for dimension, _ in theirs.units - ours.units}
    if not lacking_a.isdisjoint(lacking_b):
        return True
    only_a, only_b = ours.counted - theirs.counted, theirs.counted - ours.counted
    return not {entry[0] for entry in only_a}.isdisjoint(entry[0] for entry in only_b)
