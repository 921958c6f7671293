"""Bare addresses in Markdown become links: `https://…`, `www.…` and e-mail, much as GitHub reads them.

Not by a list of top-level domains, which takes README.md and settings.py for hosts; and an address ends at a bracket,
so that the `[1]` behind it stays the number of a source.
"""

from __future__ import annotations

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

LONGEST = 2000  # characters of an address
# Where scripts do without spaces, their letters are the address's only at the beginning of one of its parts.
_LETTERS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Nothing of other scripts' signs, nothing that is invisible or turns the direction of the text, no emoji.
_OTHER = (
    "\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U0001f000-\U0001faff"
)
_OTHER += "\u200b-\u200f\u2013-\u201f\u2026\u202a-\u202e\u2060-\u206f\ufeff«»"
_MARKS = "\ue0f0\ue0f1"  # of chat.marking: what stands in the middle of an address takes the link away
_SIGN = rf"(?:(?!&(?:lt|gt|quot|\#39);)[^\s<>\"`\[\]|\\{_OTHER}]|(?<=[/=_])[{_LETTERS}]+)"
_WEB = r"(?<![A-Za-z0-9])(?i:https?://|www\.)(?=[^\W_])"
_NAME = r"(?:mailto:)?[a-z0-9][\w.+-]{0,63}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}"
_MAIL = rf"(?ai:(?<![\w.+@:/-]){_NAME}(?![\w@/-]|[:.+]\w))"
WEB_ADDRESS: Final = rf"{_WEB}{_SIGN}*"
ADDRESS: Final = rf"(?:{WEB_ADDRESS}|{_MAIL})"
_ADDRESS = re.compile(ADDRESS)
_VALID = re.compile(
    rf"(?:https?://[\w-]+(?:\.[\w-]+)*|www\.(?:[\w-]+\.)+[^\W\d_]{{2,}})(?::\d{{1,5}})?(?:[/?#][^{_MARKS}]*)?|(?a:{_NAME})",
    re.IGNORECASE,
)
_END = f"?!.,:;*_~'{_MARKS}"  # what ends a sentence rather than an address


def addresses_plugin(markdown: MarkdownIt) -> None:
    """Teach a Markdown parser what an address is."""
    inline = markdown.inline
    inline.terminator_re = re.compile(f"{inline.terminator_re.pattern}|{_WEB}|{_MAIL}")
    inline.ruler.after("text", "address", _address)


def _address(state: StateInline, silent: bool) -> bool:
    match = _ADDRESS.match(state.src, state.pos, state.posMax)
    if match is None or state.linkLevel:
        return False
    written = _without_end(match[0])
    is_valid = len(written) <= LONGEST and _VALID.fullmatch(written) is not None
    state.pos = state.pos + len(written) if is_valid else match.end()
    if silent:
        return True
    if not is_valid:
        state.append_pending(match[0])
        return True
    address = written.replace("&amp;", "&")
    scheme = "" if ":" in address[:8] else "mailto:" if "@" in address.partition("/")[0] else "http://"
    state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(scheme + address)}
    state.push("text", "", 0).content = address
    state.push("link_close", "a", -1)
    return True


def _without_end(address: str) -> str:
    """An address without the punctuation behind it; a bracket that it opened itself belongs to it."""
    end, unopened = len(address), address.count(")") - address.count("(")
    while end and (address[end - 1] in _END or (address[end - 1] == ")" and unopened > 0)):
        unopened -= address[end - 1] == ")"
        end -= 1
    return address[:end]
