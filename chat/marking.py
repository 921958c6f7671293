"""A passage shown within the text it stands in, marked from its first character to its last.

Two characters that no text has a use for are put where the mark begins and ends; the text is rendered and sanitised
with them in it, and what stands between them in the HTML is marked. Where Markdown swallowed one of them, within a
link's address for example, the text is shown as it was written, and the mark is exact there too.
"""

from __future__ import annotations

import re
from html import escape

from chat.rendering import render

BEGIN, END = "\ue0f0", "\ue0f1"  # private use
_TAG = re.compile(r'(<[^>"]*(?:"[^"]*"[^>"]*)*>)')
_APART = re.compile(r"<(/?)(math|button)\b")  # neither formulas nor our own buttons are words of the text
# Lines that make a block and have no text: fences, rules, the line under a table's head.
_FRAME = re.compile(r"(?:`{3,}|~{3,})[^`]*|[=-]{2,}|[|:\s-]*-[|:\s-]*|\|*")
_PREFIX = re.compile(r"(?:[ \t]+|#{1,6}[ \t]|>|[-*+][ \t]|\d{1,9}[.)][ \t]|\|)*")


def render_marked(text: str, mark: tuple[int, int] | None, *, is_markdown: bool, anchor: str) -> str:
    """Safe HTML of a text, the stretch `mark` of its characters in `<mark>`, the first of which has the id `anchor`."""
    text = text.replace(BEGIN, "\ufffd").replace(END, "\ufffd")
    if not is_markdown:
        return _plain(text, mark, anchor)
    if mark is None:
        return render(text)
    start = _inside(text, *mark)
    end = _before_frame(text, start, mark[1])
    html = render(f"{text[:start]}{BEGIN}{text[start:end]}{END}{text[end:]}")
    pieces = _TAG.split(html)
    words = "".join(pieces[::2])
    if (words.count(BEGIN), words.count(END), html.count(BEGIN), html.count(END)) != (1, 1, 1, 1):
        return _plain(text, mark, anchor)
    return _marked(pieces, anchor) or _plain(text, mark, anchor)


def _plain(text: str, mark: tuple[int, int] | None, anchor: str) -> str:
    """As it was written, line by line."""
    if mark is None:
        return f'<div class="as-written">{escape(text)}</div>'
    start, end = mark
    marked = f'<mark id="{escape(anchor)}">{escape(text[start:end])}</mark>'
    return f'<div class="as-written">{escape(text[:start])}{marked}{escape(text[end:])}</div>'


def _marked(pieces: list[str], anchor: str) -> str:
    """Tags and the words between them, in turn: each stretch of words from BEGIN to END gets a mark of its own.

    Empty where there is nothing to mark, as within a formula.
    """
    written: list[str] = []
    is_in, is_first, within = False, True, ""
    for index, piece in enumerate(pieces):
        tag = _APART.match(piece) if index % 2 else None
        if tag:
            within = "" if tag[1] else tag[2]
        if index % 2 or within:
            written.append(piece)
            continue
        for words in re.split(f"([{BEGIN}{END}])", piece):
            if words in (BEGIN, END):
                is_in = words == BEGIN
            elif is_in and words.strip():
                name = f' id="{escape(anchor)}"' if is_first else ""
                written.append(f"<mark{name}>{words}</mark>")
                is_first = False
            else:
                written.append(words)
    return "" if is_first else "".join(written)


def _inside(text: str, start: int, end: int) -> int:
    """Where the words of a stretch begin: after what makes it a heading, a list or a table."""
    while start < end:
        line_end = text.find("\n", start, end)
        line = text[start : line_end if line_end >= 0 else end]
        if not _FRAME.fullmatch(line.strip()):
            prefix = _PREFIX.match(line)
            return start + (prefix.end() if prefix else 0)
        start += len(line) + 1
    return end


def _before_frame(text: str, start: int, end: int) -> int:
    """Where the words of a stretch end."""
    while end > start:
        begin = text.rfind("\n", start, end) + 1 or start
        line = text[begin:end].strip()
        if not _FRAME.fullmatch(line):
            words = text[begin:end].rstrip()
            whole = text[text.rfind("\n", 0, begin) + 1 : end].lstrip()
            return begin + len(words.rstrip("|").rstrip() if whole.startswith("|") else words)
        end = begin - 1
    return max(start, end)
