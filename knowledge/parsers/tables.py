"""Rows of cells as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def to_table(rows: Iterable[Sequence[str]]) -> str:
    """A table whose first row with text is the head. Rows and columns without any text are left out."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    kept = [row for row in cleaned if any(row)]
    width = max((len(row) for row in kept), default=0)
    filled = [column for column in range(width) if any(column < len(row) and row[column] for row in kept)]
    if not filled:
        return ""
    lines = ["| " + " | ".join(row[c] if c < len(row) else "" for c in filled) + " |" for row in kept]
    lines.insert(1, "| " + " | ".join("---" for _ in filled) + " |")
    return "\n".join(lines)


def clean(cell: str) -> str:
    """A cell's text on one line, with the bar that would end it escaped."""
    return " ".join(cell.split()).replace("|", "\\|")


def flatten(rows: Iterable[Sequence[str]]) -> str:
    """A table inside a cell of another, as one line: cells by commas, rows by semicolons."""
    lines = (", ".join(filter(None, (" ".join(cell.split()) for cell in row))) for row in rows)
    return "; ".join(filter(None, lines))
