"""Tables as text: CSV and TSV, whatever their delimiter."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from gettext import gettext as _
from itertools import islice

from core.errors import TooLargeToRead
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.tables import to_table
from knowledge.parsers.text import decode, notes_on
from knowledge.types import Part, Reading

_DELIMITERS = ",;\t|"
_ROWS = 50  # that the delimiter is judged by
csv.field_size_limit(sys.maxsize)  # a file has its own limits


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    text = decode(content)
    rows, cells = [], 0
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)):
        cells += len(row)
        if cells > limits.cells:
            raise TooLargeToRead(
                _("The table has more than %(cells)s cells. Split it.") % {"cells": f"{limits.cells:,}"}
            )
        rows.append(row)
    notes = notes_on(text)
    if max(map(len, rows), default=0) < 2:
        return Reading(parts=(Part(text="\n".join(cell.strip() for row in rows for cell in row)),), notes=notes)
    return Reading(parts=(Part(text=to_table(rows), is_markdown=True),), notes=notes)


def _delimiter(text: str) -> str:
    """The one that cuts most of the first rows into the same number of cells, two at least."""

    def agreement(delimiter: str) -> tuple[int, int, int]:
        rows = islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _ROWS)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        (width, count), *_ = widths.most_common(1) or [(0, 0)]
        return count, widths.total(), width

    return max(_DELIMITERS, key=agreement)
