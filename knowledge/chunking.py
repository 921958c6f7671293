"""Text into chunks: by the embedding model's own tokens, never across a page, along headings where there are any."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from semantic_text_splitter import MarkdownSplitter, TextSplitter

from knowledge.types import Part, Piece
from providers.minilm import load_tokenizer

CAPACITY = (120, 220)  # tokens: MiniLM sees 256, and the document's name and headings go in front
OVERLAP = 24  # tokens


def split(parts: Iterable[Part]) -> list[Piece]:
    """Pieces in reading order, none of them blank."""
    return [piece for part in parts for piece in _split_part(part)]


def _split_part(part: Part) -> Iterable[Piece]:
    splitter = _splitters()[part.is_markdown]
    starts, paths = _headings(part.text) if part.is_markdown else ([], [])
    for start, text in splitter.chunk_indices(part.text):
        if not text.strip():
            continue
        # The chunk belongs under the heading that it begins with, or else the last one before it.
        under = bisect_right(starts, start) - 1
        path = paths[under] if under >= 0 else ()
        yield Piece(text=text, heading_path=path, page=part.page, start=start, end=start + len(text))


@cache
def _splitters() -> tuple[TextSplitter, MarkdownSplitter]:
    tokenizer = load_tokenizer()
    return (
        TextSplitter.from_huggingface_tokenizer(tokenizer, CAPACITY, overlap=OVERLAP),
        MarkdownSplitter.from_huggingface_tokenizer(tokenizer, CAPACITY, overlap=OVERLAP),
    )


def _headings(text: str) -> tuple[list[int], list[tuple[str, ...]]]:
    """Character offsets of the headings of a Markdown text, and the path of headings at each."""
    lines = _line_starts(text)
    starts: list[int] = []
    paths: list[tuple[str, ...]] = []
    open_headings: list[tuple[int, str]] = []
    tokens = MarkdownIt("commonmark").parse(text)
    for token, inline in pairwise(tokens):
        if token.type != "heading_open" or token.map is None:
            continue
        level = int(token.tag[1])
        open_headings = [(above, title) for above, title in open_headings if above < level]
        open_headings.append((level, _plain(inline.content)))
        starts.append(lines[token.map[0]])
        paths.append(tuple(title for _, title in open_headings if title))
    return starts, paths


def _line_starts(text: str) -> Sequence[int]:
    starts = [0]
    for line in text.split("\n"):  # not splitlines: Markdown counts line feeds only
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _plain(heading: str) -> str:
    return heading.replace("**", "").replace("`", "").strip()[:200]
