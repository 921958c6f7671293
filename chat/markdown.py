"""The Markdown that models and documents are written in: CommonMark with tables, tasks, footnotes, formulas, code to
copy, and numbers that cite a source. What it gives must still be sanitised (chat.rendering)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any, TypeAlias

from django.utils.translation import gettext
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, link
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.footnote.index import footnote_ref
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from chat.addresses import addresses_plugin
from chat.formulas import formulas_plugin
from chat.grounding import CITATION, NOTE, numbers_of
from chat.unfinished import unfinished_plugin

# sources, answer_id: what numbers cite; notes: the footnotes of a text whose end is not known; is_open: it goes on.
Env: TypeAlias = dict[str, Any]  # Any: the parser keeps its own things there
MAX_HIGHLIGHTED = 20_000  # characters of one block of code; more is shown plain
PIECE = 4000  # characters of a paragraph that are read at once; what stands open at such a border stays open
_NOTE = re.compile(r"\[\^([^\]\s]{1,80})\]")
_LETTER = re.compile("([\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc])|[^\\W\\d_]")  # one of Hebrew, Arabic …, or any other
# Of what can be cut: its parts, the level of their tokens, and the lines of its head.
_PARTS = {
    "table_open": ("tr_open", 2, 2),
    "bullet_list_open": ("list_item_open", 1, 0),
    "ordered_list_open": ("list_item_open", 1, 0),
}
_WEB = re.compile(r"(?:https?:|mailto:)", re.IGNORECASE)


@cache
def markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
    parser.enable(["table", "strikethrough"])
    parser.use(footnote_plugin, inline=False).use(tasklists_plugin)
    parser.use(formulas_plugin).use(addresses_plugin).use(unfinished_plugin)
    parser.core.ruler.at("inline", _in_pieces)
    parser.core.ruler.push("direction", _direction)
    parser.inline.ruler.before("link", "citation", _citation)
    parser.inline.terminator_re = re.compile(f"{parser.inline.terminator_re.pattern}|【")
    parser.inline.ruler.at("link", _closed_link)
    parser.inline.ruler.at("footnote_ref", _note)
    rules = {
        "citation": _cite,
        "note_number": _note_number,
        "fence": _code,
        "code_block": _code,
        "image": _image,
        "link_open": _link,
        "html_inline": _html_inline,
        "table_open": _table_open,
        "table_close": _table_close,
        "th_open": _cell,
        "td_open": _cell,
        "footnote_ref": _note_ref,
        "footnote_open": _note_open,
        "footnote_anchor": _note_anchor,
        "footnote_block_open": _notes_open,
        "footnote_block_close": _notes_close,
    }
    for name, rule in rules.items():
        parser.add_render_rule(name, rule)
    return parser


def block_starts(text: str) -> list[int]:
    """The lines at which the blocks of a text begin."""
    return [token.map[0] for token in _blocks(text) if token.level == 0 and token.map and token.nesting >= 0]


def last_part(text: str) -> tuple[int, range] | None:
    """Where a text that is one list or table can be cut: the line of its last item or row, and the lines that must
    stand above that again, a table's head. None where there are no two of them."""
    tokens = _blocks(text)
    whole = next((token for token in tokens if token.type in _PARTS), None)
    if whole is None or whole.level or whole.map is None:
        return None
    part, level, head = _PARTS[whole.type]
    starts = [token.map[0] for token in tokens if token.type == part and token.level == level and token.map]
    first = whole.map[0]
    return (starts[-1], range(first, first + head)) if starts[-1] > first + head else None


def _blocks(text: str) -> list[Token]:
    tokens: list[Token] = []
    markdown().block.parse(text, markdown(), {}, tokens)
    return tokens


def _in_pieces(state: StateCore) -> None:
    """Read what stands within the lines. The time that a paragraph takes grows with the square of its length in the
    worst case, so a very long one is read piece by piece."""
    for token in state.tokens:
        if token.type == "inline":
            token.children = []
            for piece in _pieces(token.content):
                read: list[Token] = []
                state.md.inline.parse(piece, state.md, state.env, read)
                token.children += read


def _pieces(text: str) -> Iterator[str]:
    """Cut between words, where there are any."""
    start = 0
    while len(text) - start > PIECE:
        half, end = start + PIECE // 2, start + PIECE
        cut = max(text.rfind(" ", half, end), text.rfind("\n", half, end))
        cut = cut if cut > 0 else end
        yield text[start:cut]
        start = cut
    yield text[start:]


def _direction(state: StateCore) -> None:
    """A block is written from right to left where the first of its letters is."""
    block: Token | None = None
    for token in state.tokens:
        if token.level == 0 and token.nesting == 1:
            block = token
        if block and token.type == "inline" and (letter := _LETTER.search(token.content)):
            if letter[1]:
                block.attrSet("dir", "rtl")
            block = None


def _closed_link(state: StateInline, silent: bool) -> bool:
    """A link has an end: to look for one behind every `[` of `[[[[…` takes ten times as long as all the rest."""
    return state.src.find("]", state.pos) > 0 and link(state, silent)


def _citation(state: StateInline, silent: bool) -> bool:
    """`[3]`, `[1, 2]` …: a link for each number that has a source, nothing for one that has none."""
    return state.src[state.pos] in "[【" and _cited(state, CITATION.match(state.src, state.pos), silent)


def _cited(state: StateInline, match: re.Match[str] | None, silent: bool) -> bool:
    if match is None:
        return False
    if not silent:
        for number in numbers_of(match, state.env.get("sources", 0)):
            state.push("citation", "a", 0).meta["number"] = number
    state.pos = match.end()
    return True


def _note(state: StateInline, silent: bool) -> bool:
    """`[^1]`: the number of a footnote, which may still have to come; or of a source, where there is none."""
    match = _NOTE.match(state.src, state.pos)
    if match is None:
        return False
    notes: dict[str, int] | None = state.env.get("notes")
    if notes is None and footnote_ref(state, silent):
        return True
    citation = NOTE.match(state.src, state.pos) if state.env.get("sources") else None
    if notes is None or (citation and citation[1] not in notes and numbers_of(citation, state.env["sources"])):
        return _cited(state, citation, silent)
    if not silent:
        number = notes.setdefault(match[1], len(notes) + 1)
        state.push("note_number", "sup", 0).meta["number"] = number
    state.pos = match.end()
    return True


# What follows is called by the renderer: (renderer, tokens, index, options, env) → HTML.


def _code(_renderer: object, tokens: list[Token], index: int, _options: object, _env: Env) -> str:
    code, language = tokens[index].content, tokens[index].info.strip().split(" ")[0][:30]
    try:
        lexer = get_lexer_by_name(language) if language and len(code) <= MAX_HIGHLIGHTED else None
    except ClassNotFound:
        lexer = None
    body = highlight(code, lexer, HtmlFormatter(nowrap=True)) if lexer else escape(code)
    copy, copied = escape(gettext("Copy")), escape(gettext("Copied"))
    return (
        f'<div class="code-block"><div class="code-head"><span class="language">{escape(language)}</span>'
        f'<button type="button" class="copy" data-copy-code="{copied}">{copy}</button></div>'
        f'<pre class="code" tabindex="0"><code>{body}</code></pre></div>\n'
    )


def _image(renderer: Any, tokens: list[Token], index: int, options: Any, env: Env) -> str:  # Any: without types
    """A picture would be fetched from a stranger as soon as it is shown: it becomes a link."""
    token = tokens[index]
    address = str(token.attrGet("src") or "")
    words = renderer.renderInlineAsText(token.children, options, env) or address
    nested = sum(other.nesting for other in tokens[:index] if other.type in ("link_open", "link_close")) > 0
    if nested or not _WEB.match(address):
        return escape(words)
    return f'<a class="picture-link" href="{escape(address)}">{escape(words)}</a>'


def _link(renderer: Any, tokens: list[Token], index: int, options: Any, env: Env) -> str:  # Any: without types
    """Links lead out: one that is relative would lead to a page of ours that its writer cannot know."""
    if not _WEB.match(str(tokens[index].attrGet("href") or "")):
        return "<a>"
    return str(renderer.renderToken(tokens, index, options, env))


def _cite(_renderer: object, tokens: list[Token], index: int, _options: object, env: Env) -> str:
    number = tokens[index].meta["number"]
    label = escape(gettext("Source %(number)s") % {"number": number})
    target = f"#source-{escape(env.get('answer_id', ''))}-{number}"
    return f'<a class="cite" href="{target}" data-source="{number}" aria-label="{label}">{number}</a>'


def _note_number(_renderer: object, tokens: list[Token], index: int, _options: object, _env: Env) -> str:
    return f'<sup class="footnote-ref">{tokens[index].meta["number"]}</sup>'


def _html_inline(_renderer: object, tokens: list[Token], index: int, _options: object, _env: Env) -> str:
    """Our own HTML only (a task's box): that of the text never becomes a token."""
    html = tokens[index].content
    if "task-list-item-checkbox" in html:
        label = gettext("Done") if "checked=" in html else gettext("Open")
        html = html.replace(">", f' aria-label="{escape(label)}">')
    return html


def _table_open(_renderer: object, tokens: list[Token], index: int, _options: object, _env: Env) -> str:
    label = escape(gettext("Table"))
    direction = ' dir="rtl"' if tokens[index].attrGet("dir") else ""
    return f'<div class="table" tabindex="0" role="group" aria-label="{label}"{direction}><table>\n'


def _table_close(_renderer: object, _tokens: list[Token], _index: int, _options: object, _env: Env) -> str:
    return "</table></div>\n"


def _cell(_renderer: object, tokens: list[Token], index: int, _options: object, _env: Env) -> str:
    """The policy of the page forbids what the parser writes, a style."""
    side = str(tokens[index].attrGet("style") or "").removeprefix("text-align:")
    return f'<{tokens[index].tag} class="at-{side}">' if side else f"<{tokens[index].tag}>"


def _note_ref(_renderer: object, tokens: list[Token], index: int, _options: object, env: Env) -> str:
    number, place = tokens[index].meta["id"] + 1, tokens[index].meta["subId"]
    answer = escape(env.get("answer_id", ""))
    if not answer:  # a passage among others: its footnotes need no ids that could be somebody else's
        return f'<sup class="footnote-ref">{number}</sup>'
    return (
        f'<sup class="footnote-ref"><a href="#fn-{answer}-{number}" id="fnref-{answer}-{number}-{place}">'
        f"{number}</a></sup>"
    )


def _note_open(_renderer: object, tokens: list[Token], index: int, _options: object, env: Env) -> str:
    answer = escape(env.get("answer_id", ""))
    return f'<li id="fn-{answer}-{tokens[index].meta["id"] + 1}">' if answer else "<li>"


def _note_anchor(_renderer: object, tokens: list[Token], index: int, _options: object, env: Env) -> str:
    number, place = tokens[index].meta["id"] + 1, tokens[index].meta["subId"]
    answer = escape(env.get("answer_id", ""))
    label = escape(gettext("Back to the text"))
    return (
        f' <a class="footnote-back" href="#fnref-{answer}-{number}-{place}" aria-label="{label}">↩</a>'
        if answer
        else ""
    )


def _notes_open(_renderer: object, _tokens: list[Token], _index: int, _options: object, _env: Env) -> str:
    return '<section class="footnotes"><ol>\n'


def _notes_close(_renderer: object, _tokens: list[Token], _index: int, _options: object, _env: Env) -> str:
    return "</ol></section>\n"
