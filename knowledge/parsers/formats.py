"""How a spreadsheet shows its numbers: days and per cent are stored as mere numbers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from knowledge.parsers.package import Element, attribute, below, child

_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}  # the built-in ones, ECMA-376 18.8.30
_PERCENT = {9, 10}
_BESIDE = re.compile(r'"[^"]*"|\\.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|_.|\*.', re.IGNORECASE)  # not part of the pattern


class Formats:
    def __init__(self, styles: Element | None, *, starts_1904: bool) -> None:
        custom = {attribute(f, "numFmtId"): attribute(f, "formatCode") for f in below(styles, "numFmt")}
        self._kinds = [
            _kind(attribute(style, "numFmtId", "0"), custom) for style in below(child(styles, "cellXfs"), "xf")
        ]
        self._start = datetime(1904, 1, 1) if starts_1904 else datetime(1899, 12, 30)

    def shown(self, value: str, style: str) -> str:
        """A stored number as a reader sees it: an ISO date, a percentage, or the number without rounding noise."""
        try:
            number = float(value)
        except ValueError:
            return value
        kind = self._kinds[int(style)] if style.isdecimal() and int(style) < len(self._kinds) else ""
        if kind == "date" and -600_000 < number < 2_900_000:
            return self._day(number)
        if kind == "percent":
            return f"{number * 100:.10g}%"
        return value if re.fullmatch(r"-?\d{1,15}", value) else f"{number:.15g}"

    def _day(self, number: float) -> str:
        moment = self._start + timedelta(seconds=round(number * 86_400))
        if number == int(number):
            return f"{moment:%Y-%m-%d}"
        seconds = f"{moment:%H:%M:%S}"
        return seconds if 0 < number < 1 else f"{moment:%Y-%m-%d} {seconds}"


def _kind(format_id: str, custom: dict[str, str]) -> str:
    pattern = _BESIDE.sub("", custom.get(format_id, "")).split(";")[0].lower()
    if format_id in custom:
        if "general" not in pattern and re.search(r"[dmyhs]", pattern):
            return "date"
        return "percent" if "%" in pattern else ""
    number = int(format_id) if format_id.isdecimal() and len(format_id) < 6 else 0
    return "date" if number in _DATES else "percent" if number in _PERCENT else ""
