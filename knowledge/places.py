"""Where in its document a passage stands, in its reader's language.

A place is stored and sent as text (`Chunk.locator`): with the answers that cite it, to the model, to programs. It
begins with words of the parsers' own, as `Page 3` or `Slide 2: Outlook`, and the kind of its document tells which they
can be; headings, titles and names of sheets are the document's and stay as they are.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from django.utils.translation import gettext as _

BETWEEN = " · "
_NUMBERED = re.compile(r"(Page|Slide) (\d+)(:.*|)")
_ATTACHMENT = re.compile(r"Attachment (.+?\.\w+)(?:, (.+))?")


def shown_place(locator: str, document: str) -> str:
    """`document`: the name of its file."""
    first, between, headings = locator.partition(BETWEEN)
    return f"{_worded(first, PurePath(document).suffix.lower())}{between}{headings}"


def _worded(place: str, kind: str) -> str:
    numbered, attachment = _NUMBERED.fullmatch(place), _ATTACHMENT.fullmatch(place)
    if numbered and numbered[1] == "Page" and kind == ".pdf":
        return _("Page %(number)s") % {"number": numbered[2]} + numbered[3]
    if numbered and numbered[1] == "Slide" and kind in (".pptx", ".odp"):
        return _("Slide %(number)s") % {"number": numbered[2]} + numbered[3]
    if place.startswith("Sheet ") and kind in (".xlsx", ".ods"):
        return _("Sheet %(name)s") % {"name": place.removeprefix("Sheet ")}
    if attachment and kind == ".eml":
        inside = f", {_worded(attachment[2], PurePath(attachment[1]).suffix.lower())}" if attachment[2] else ""
        return _("Attachment %(name)s") % {"name": attachment[1]} + inside
    match place:
        case "Header and footer":
            return _("Header and footer")
        case "Comments" if kind == ".docx":
            return _("Comments")
    return place
