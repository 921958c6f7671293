"""Markdown to safe HTML, whole or as it streams.

Model output is untrusted: raw HTML is shown as text, the result is sanitised (nh3), and a citation becomes
a link only where its source exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from chat.grounding import CITATION

_TAGS = {
    *("p", "br", "hr", "em", "strong", "del", "s", "sup", "sub", "blockquote", "div", "span", "a", "input"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title", "class", "data-source"},
    "span": {"class"},
    "div": {"class"},
    "code": {"class"},
    "pre": {"class"},
    "li": {"class"},
    "ul": {"class"},
    "input": {"type", "checked", "disabled", "class"},
    "ol": {"start"},
    "th": {"class"},
    "td": {"class"},
}
MAX_HIGHLIGHTED = 20_000  # characters of one block of code; more is shown plain


def render(text: str, sources: int = 0, answer_id: str = "") -> str:
    """Safe HTML of a whole Markdown text; `[n]` links to `#source-<answer_id>-<n>` for 1 <= n <= sources."""
    html: str = _markdown().render(text, {"sources": sources, "answer_id": answer_id})
    return _clean(html)


@lru_cache(maxsize=2048)
def render_passage(text: str) -> str:
    """Safe HTML of a passage. The same passages are shown again and again: five of them take 1.5 ms to render."""
    return render(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Blocks (paragraphs, lists …) that replace those from number `start` on."""

    start: int
    blocks: tuple[str, ...]


class StreamRenderer:
    """Renders a growing text block by block. A block is final when another has begun after it, so that each
    step parses the last block only: the whole of a long answer is never parsed again."""

    def __init__(self, sources: int = 0, answer_id: str = "") -> None:
        self.sources, self.answer_id = sources, answer_id
        self.text = ""  # all that was fed
        self._blocks: list[str] = []
        self._tail = ""  # what is not final yet
        self._final = 0  # blocks that are

    def feed(self, text: str) -> Rendered:
        self.text += text
        self._tail += text
        lines = self._tail.split("\n")
        # Reference definitions and the like make no token: without any, everything may still change.
        tokens = [t for t in _markdown().parse(self._tail, {}) if t.level == 0 and t.map and t.nesting >= 0]
        starts = [token.map[0] for token in tokens if token.map]
        bounds = [0, *starts[1:], len(lines)]
        texts = ["\n".join(lines[a:b]) for a, b in pairwise(bounds)]
        update = Rendered(start=self._final, blocks=tuple(render(t, self.sources, self.answer_id) for t in texts))
        self._blocks[update.start :] = update.blocks
        self._final += len(texts) - 1
        self._tail = texts[-1]
        return update

    def finish(self, text: str) -> str:
        """HTML of the finished text: what was rendered already, unless the text was changed at the end."""
        return "".join(self._blocks) if text == self.text else render(text, self.sources, self.answer_id)


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": _highlight, "linkify": False})
    markdown.enable(["table", "strikethrough"]).use(tasklists_plugin)
    markdown.inline.ruler.before("link", "citation", _citation)
    return markdown


def _citation(state: StateInline, silent: bool) -> bool:
    """`[3]` and `[1, 2]`: a link for each number that has a source, nothing for one that has none."""
    if state.src[state.pos] != "[":
        return False
    match = CITATION.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        for number in map(int, re.findall(r"\d+", match[1])):
            if 1 <= number <= state.env.get("sources", 0):
                token = state.push("html_inline", "", 0)
                target = f"#source-{escape(state.env.get('answer_id', ''))}-{number}"
                token.content = f'<a class="cite" href="{target}" data-source="{number}">{number}</a>'
    state.pos = match.end()
    return True


def _highlight(code: str, language: str, _attributes: str) -> str:
    name = escape(language[:30])
    try:
        lexer = get_lexer_by_name(language) if language and len(code) <= MAX_HIGHLIGHTED else None
    except ClassNotFound:
        lexer = None
    body = highlight(code, lexer, HtmlFormatter(nowrap=True)) if lexer else escape(code)
    return f'<pre class="code"><span class="language">{name}</span><code>{body}</code></pre>'


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
