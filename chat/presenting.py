"""How the sources of an answer are shown: those that its text cites apart from the others that were found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.template.loader import render_to_string

from chat.grounding import cited_numbers

Row: TypeAlias = Mapping[str, Any]  # Any: JSON; a source as a message stores it, or as asdict() gives it
_PAGE = re.compile(r"Page (\d{1,6})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer's sources. `is_open` while nobody knows yet which of them the text will cite."""

    used: tuple[Row, ...]
    found: tuple[Row, ...]
    is_open: bool


def divided(sources: Iterable[Row], text: str | None) -> Shown:
    """The sources that a text cites, and the rest of them; without a text, which is not known yet, all are found."""
    rows = tuple({**row, "page": _page(row)} for row in sources)
    if text is None:
        return Shown(used=(), found=rows, is_open=True)
    cited = cited_numbers(text, max((int(row["n"]) for row in rows), default=0))
    used = tuple(row for row in rows if row["n"] in cited)
    return Shown(used=used, found=tuple(row for row in rows if row["n"] not in cited), is_open=False)


def sources_html(answer_id: str, sources: Sequence[Row], text: str | None, project_slug: str) -> str:
    """What stands below an answer of its sources, as the page and the socket both show it. A `text` of None is one
    that is still being written."""
    message = {
        "id": answer_id,
        "sources": sources,
        "content": text or "",
        "status": "streaming" if text is None else "complete",
    }
    return render_to_string("chat/_sources.html", {"message": message, "slug": project_slug})


def _page(row: Row) -> int | None:
    """The page of a PDF that a passage stands on: its picture can be shown."""
    match = _PAGE.match(str(row["locator"])) if str(row["document"]).lower().endswith(".pdf") else None
    return int(match[1]) if match and not row.get("is_gone") else None
