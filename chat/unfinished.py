"""A text that is still being written, as it will look: what is open at its end is closed, and what could become
anything is held back until it is clear. A reader sees no stray `**`, half a link, or a table's bare pipes."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

from chat.addresses import ADDRESS, WEB_ADDRESS
from chat.formulas import FORMULA
from chat.grounding import CITATION, NOTE

LONGEST = 4000  # characters of a paragraph's end that are looked at
# A last line of signs only: it may become a heading, a list, a rule, a fence or a table.
_SIGNS = re.compile(r"[ \t>]*(?:[-=*+_#>|~:`$\\\[\s]+|\d{1,9}[.)]?|\[\^[^\]\n]{0,80}\]?)[ \t]*")
_ROW = re.compile(r"[ \t]*\|")
_DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")


def _parts(first: str, address: str) -> re.Pattern[str]:
    """What stands in a text but words. `first`: what it may begin with, which spares nearly every letter the rest."""
    return re.compile(
        rf"""(?={first})(?:
            (?P<kept>\\(?![(\[])[^\n] | (?<!`)(?P<run>`+)(?!`).{{1,2000}}?(?<!`)(?P=run)(?!`) | {FORMULA.pattern}
                | <https?:[^\s<>]{{0,2000}}> | !?\[[^\[\]\n]{{0,500}}\]\((?:[^\s()]|\([^\s()]*\)){{0,2000}}\))
            | (?P<address>{address})
            | (?P<code>`+) | (?P<math>\$\$|\\\(|\\\[|(?<![\w$\\])\$(?=[^\s\d$]))
            | (?P<mark>\*{{1,3}}|(?<!\w)_{{1,2}}|_{{1,2}}(?!\w)|~~))""",
        re.VERBOSE | re.DOTALL,
    )


_FIRST = r"[\\`<!\[$*_~hHwW]"
_PARTS = _parts(_FIRST, WEB_ADDRESS)
_PARTS_WITH_MAIL = _parts(rf"{_FIRST}|(?<![\w.+@:/-])[a-zA-Z0-9]", ADDRESS)
# What ends in the middle of a citation, a footnote, a link, a picture or an address.
_NUMBERS = r"\s?(?:[A-Za-z]{1,10}[ :#]{0,3})?(?:\d[\w\s,;:#、，–—-]{0,80})?"
_CITATION = re.compile(
    rf"""\[(?:\^[^\]\s]{{0,80}}|\[?{_NUMBERS}|\[{_NUMBERS}\](?:\](?:\([^()\n]{{0,2000}})?)?)\Z
        | 【{_NUMBERS}(?:†[^【】\n]{{0,200}})?\Z
        | \[(?<!.\[)[ xX]\]?[ \t]*\Z""",  # a task
    re.VERBOSE | re.DOTALL,
)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})(?:\](?:\((?>[^()\n]|\([^()\n]*+\)?){0,2000})?)?\Z")
_CITED = re.compile(rf"(?:{CITATION.pattern}|{NOTE.pattern})\Z", re.MULTILINE)
_ADDRESS = re.compile(r"<(?=https?\\?:[^\s<>]{0,2000}\Z)|<h?t?t?p?s?\Z|!\Z|\\\Z")
_PUNCTUATION = re.compile(r"[!-'*-/:-@^-`{-~]")  # that of an address: brackets would open a formula


def settled(text: str) -> str:
    """A growing text without the lines at its end that may yet become anything."""
    head, _, last = text.rpartition("\n")
    if last and _SIGNS.fullmatch(last) and not _is_fenced(head):
        text = head
    lines = text.removesuffix("\n").split("\n")
    first = len(lines)
    while first and _ROW.match(lines[first - 1]):
        first -= 1
    rows = lines[first:]
    is_table = len(rows) > 2 or (len(rows) == 2 and _DELIMITERS.fullmatch(rows[1]) and rows[1].count("|") > 1)
    return text if not rows or is_table or _is_fenced("\n".join(lines[:first])) else "\n".join(lines[:first])


def unfinished_plugin(markdown: MarkdownIt) -> None:
    """With `env["is_open"]`, what the last paragraph leaves open is closed before it is read."""
    markdown.core.ruler.before("inline", "unfinished", _close_last)


def closed(text: str) -> str:
    """A paragraph's Markdown with what is open at its end closed, or taken away where it has no words yet."""
    if len(text) > LONGEST:
        return text[:-LONGEST] + closed(text[-LONGEST:])
    if half := _CITATION.search(text):
        text = re.sub(r"[ \t]\Z", "", text[: half.start()])
    parts = _PARTS_WITH_MAIL if "@" in text else _PARTS
    open_marks: list[tuple[str, int]] = []
    for part in parts.finditer(text):
        if part["code"] or part["math"]:
            return _with_marks(_as_code(text, part), open_marks)
        if part["address"] and part.end() == len(text):  # a link when it is whole; its letters stay where they are
            text = text[: part.start()] + _PUNCTUATION.sub(r"\\\g<0>", part[0])
        if mark := part["mark"]:
            before, after = text[: part.start()][-1:], text[part.end() :][:1]
            if open_marks and not before.isspace() and _closes(open_marks, mark):
                continue
            if after and not after.isspace() and not (mark == "*" and before.isalnum()):
                open_marks.append((mark, part.end()))
            elif not after:  # it opens what is not there yet, or is half of what closes
                text = text[: part.start()]
    text = _ADDRESS.sub("", text)
    if not (text.endswith(("]", ")", "】")) and _CITED.search(text)):
        text = _LINK.sub(r"\1", text)
    return _with_marks(text, open_marks)


def _close_last(state: StateCore) -> None:
    if not state.env.get("is_open") or state.src.endswith("\n\n"):
        return
    for token in reversed(state.tokens):
        if token.type == "inline" and token.content:
            token.content = closed(token.content).rstrip()
            return
        if token.nesting != -1 and token.type not in ("inline", "td_open"):  # a row's cells that are still to come
            return


def _closes(open_marks: list[tuple[str, int]], mark: str) -> bool:
    """Whether a mark closes what was opened last, and that is done."""
    if open_marks[-1][0] == mark:
        open_marks.pop()
        return True
    if len(mark) == 3 and {opened for opened, _ in open_marks[-2:]} == {mark[0], mark[:2]}:
        del open_marks[-2:]
        return True
    return False


def _as_code(text: str, opening: re.Match[str]) -> str:
    """Code and formulas that are still open are shown as code."""
    inside = text[opening.end() :].strip().rstrip("\\").replace("`", "")
    return f"{text[: opening.start()]}`{inside}`" if inside else text[: opening.start()]


def _with_marks(text: str, open_marks: list[tuple[str, int]]) -> str:
    for mark, end in reversed(open_marks):
        text = text.rstrip()
        text = text + mark if len(text) > end else text[: end - len(mark)]
    return text


def _is_fenced(text: str) -> bool:
    """Whether a text ends within a fence: signs are code there. It is a single block, so one fence at most is open."""
    return len(re.findall(r"^[ \t>]*(?:```|~~~)", text, re.MULTILINE)) % 2 == 1
