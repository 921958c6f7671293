"""The contextual header: the few words above a chunk that say where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.tokens import count_tokens, shorten

HEADER = 34  # tokens: with the largest chunk and the model's two own, 256, all that MiniLM sees
SHARE = 14  # tokens that one name, title or heading may take while others want theirs


def header_of(*, name: str, title: str = "", label: str = "", headings: Sequence[str] = ()) -> str:
    """The document's name and title, a sheet's or slide's label and the path of headings, a line, none twice.

    Of 34 tokens at most: the innermost heading and the title come before the name, then the label and the outer
    headings, as far as there is room.
    """
    shown = list(dict.fromkeys(" ".join(words.split()) for words in (name, title, label, *headings)))
    wanted = dict.fromkeys([*headings[-1:], title, name, label, *reversed(headings[:-1])])
    wanted_words = [words for words in (" ".join(words.split()) for words in wanted) if words]
    share = HEADER if len(wanted_words) == 1 else SHARE
    left, kept = HEADER, {}
    for words in wanted_words:
        kept[words] = shorten(words, min(share, left))
        left -= count_tokens(kept[words])
    return "\n".join(kept[words] for words in shown if kept.get(words))
