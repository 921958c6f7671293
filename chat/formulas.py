r"""Formulas in Markdown: `$…$` and `\(…\)` within a line, `$$…$$` and `\[…\]` on their own, shown as MathML.

A formula ends with its paragraph: an opening sign that is never closed takes nothing else with it. One that cannot be
read is shown as it was written.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import Final
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

TAGS: Final = frozenset(
    (
        *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mpadded"),
        *("mphantom", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"),
    )
)
_LENGTHS = frozenset(
    (
        *("width", "height", "depth", "lspace", "rspace", "voffset", "minsize", "maxsize", "mathsize"),
        *("linethickness", "rowspacing", "columnspacing"),
    )
)
ATTRIBUTES: Final = _LENGTHS | {
    *("display", "mathvariant", "mathcolor", "mathbackground", "displaystyle", "scriptlevel", "stretchy", "fence"),
    *("form", "accent", "largeop", "movablelimits", "separator", "notation", "columnalign", "columnlines", "rowlines"),
}
LONGEST = 2000  # characters of a formula
# Nothing that a formula says may push it out of its place: ten units of whatever kind are enough.
_LENGTH = re.compile(r"(?:[-+]?(?:\d(?:\.\d{0,4})?|\.\d{1,4})(?:em|ex|px|pt|mu|%)?(?:\s+|\Z)){1,12}")
_MARKS = re.compile("[\ue0f0\ue0f1]")  # of chat.marking: what stands in the middle of a mark is shown as written
_REFERENCE = re.compile(r"&amp;(#x[0-9A-Fa-f]{1,6};)")
_ANY = r"((?:(?!\n[ \t]*\n)[^\ue0f0\ue0f1]){1,2000}?)"
# A price is none: a single $ opens before no space and closes after none, and stands at no word or number.
DOLLAR = r"(?<![\w$\\])\$(?![\s$])((?:[^$\\\n\ue0f0\ue0f1]|\\[^\n]){1,500}?)(?<!\s)\$(?![\w$])"
FORMULA = re.compile(rf"\\\({_ANY}\\\)|\\\[{_ANY}\\\]|\$\$(?!\$){_ANY}\$\$|{DOLLAR}")
_MONEY = re.compile(r"\d[^\\={}^_]*\s[A-Za-z]{2}[^\\={}^_]*")
_MATHEMATICAL = re.compile(r"[\\^_=+*/<>|{}-]|\d|\A\W*\w\W*\Z")
_NUMBERS = re.compile(r"[\d,;\s]*")
_INLINE_CLOSERS = {"$": "$", "\\(": "\\)", "\\[": "\\]"}
_CLOSERS = {"$$": "$$", "\\[": "\\]"}


def formulas_plugin(markdown: MarkdownIt) -> None:
    """Teach a Markdown parser what a formula is."""
    markdown.inline.ruler.before("escape", "formula", _inline)
    markdown.block.ruler.before(
        "fence", "formula_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    markdown.add_render_rule("formula", _render)
    markdown.add_render_rule("formula_block", _render_block)


@lru_cache(maxsize=2048)
def mathml(source: str, *, is_block: bool) -> str:
    """A LaTeX formula as MathML; as `<code>` where it cannot be read."""
    try:
        element = Converter(display="block" if is_block else "inline").convert_to_element(source)
        unknown = any((part.text or "").startswith("\\") for part in element.iter("mi"))
        written = "" if unknown else tostring(_restricted(element), encoding="unicode")
    except Exception:  # its parser raises what its lists and dictionaries raise; the formula is shown as it is
        written = ""
    # It writes characters as references, which the serialiser has escaped like any other text.
    return _REFERENCE.sub(r"&\1", written) or f'<code class="formula">{escape(source)}</code>'


def is_formula(match: re.Match[str]) -> bool:
    """Whether what FORMULA found is mathematics rather than brackets or money."""
    round_, square, double, single = match.groups()
    if single is not None:
        return not _MONEY.fullmatch(single)
    if double is not None:
        return bool(double.strip())
    return bool(_MATHEMATICAL.search(round_ or square)) and not (square and _NUMBERS.fullmatch(square))


def _inline(state: StateInline, silent: bool) -> bool:
    opener = "$" if state.src[state.pos] == "$" else state.src[state.pos : state.pos + 2]
    closer = _INLINE_CLOSERS.get(opener)
    if closer is None or state.src.find(closer, state.pos + 1, state.pos + LONGEST + 4) < 0:
        return False
    match = FORMULA.match(state.src, state.pos, state.posMax)
    if match is None or not is_formula(match):
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = next(part for part in match.groups() if part is not None).strip()
        token.meta = {"is_block": match[0].startswith(("$$", "\\["))}
    state.pos = match.end()
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A line that only opens a formula, those that follow, and the one that closes it."""
    opener = state.getLines(start, start + 1, 0, False).strip()
    if opener not in _CLOSERS or state.sCount[start] - state.blkIndent >= 4:
        return False
    if silent:
        return True
    lines: list[str] = []
    line, is_closed = start + 1, False
    while line < end and not is_closed and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        text = state.getLines(line, line + 1, state.blkIndent, False).rstrip()
        is_closed = text.endswith(_CLOSERS[opener])
        lines.append(text[:-2] if is_closed else text)
        line += 1
    state.line = line
    token = state.push("formula_block", "math", 0)
    token.content = "\n".join(lines).strip()
    token.map = [start, line]
    token.meta = {"is_closed": is_closed}
    return True


def _render(_renderer: object, tokens: list[Token], index: int, _options: object, _env: object) -> str:
    return mathml(tokens[index].content, is_block=tokens[index].meta["is_block"])


def _render_block(_renderer: object, tokens: list[Token], index: int, _options: object, _env: object) -> str:
    source = tokens[index].content
    if not source:
        return ""
    if not tokens[index].meta["is_closed"] or len(source) > LONGEST or _MARKS.search(source):
        return f'<p><code class="formula">{escape(source)}</code></p>\n'
    return f"<p>{mathml(source, is_block=True)}</p>\n"


def _restricted(element: Element) -> Element:
    for part in element.iter():
        for name, value in list(part.attrib.items()):
            if name not in ATTRIBUTES or (name in _LENGTHS and not _LENGTH.fullmatch(value)):
                del part.attrib[name]
    return element
