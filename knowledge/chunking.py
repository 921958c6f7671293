"""Text into chunks: by the embedding model's own tokens, never across a page or a heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from knowledge.types import Part, Piece
from providers.minilm import load_tokenizer

LARGEST = 220  # tokens: MiniLM sees 256, and the document's name and headings go in front
CAPACITY = (100, 180)  # tokens of a piece before small neighbours are joined
OVERLAP = 24  # tokens
SMALL = 50  # tokens: less is joined to its neighbour, as the line that opens a list is
LONGEST = 4_000  # characters: to WordPiece a word of more than 100 is one unknown token, however long


def split(parts: Iterable[Part]) -> list[Piece]:
    """Pieces in reading order, none of them blank, none across a page or a heading."""
    return [piece for number, part in enumerate(parts) for piece in _split_part(number, part)]


def _split_part(number: int, part: Part) -> Iterable[Piece]:
    for path, section_start, section_end in _sections(part):
        section = part.text[section_start:section_end]
        for start, end in _spans(section, is_markdown=part.is_markdown):
            yield Piece(
                text=section[start:end],
                heading_path=path,
                page=part.page,
                label=part.label,
                part=number,
                start=section_start + start,
                end=section_start + end,
            )


def _spans(text: str, *, is_markdown: bool) -> list[tuple[int, int]]:
    """Where a section's pieces begin and end, in characters."""
    spans: list[tuple[int, int]] = []
    for start, chunk in _splitters()[is_markdown].chunk_indices(text):
        if not chunk.strip():
            continue
        end = start + len(chunk)
        if spans and _belong_together(text, spans[-1], (start, end)):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    cut = [(at, min(at + LONGEST, end)) for start, end in spans for at in range(start, end, LONGEST)]
    return [(start, end) for start, end in cut if text[start:end].strip()]


def _belong_together(text: str, before: tuple[int, int], after: tuple[int, int]) -> bool:
    is_small = min(_tokens(text[slice(*before)]), _tokens(text[slice(*after)])) < SMALL
    return is_small and _tokens(text[before[0] : after[1]]) <= LARGEST


def _sections(part: Part) -> list[tuple[tuple[str, ...], int, int]]:
    """Headings, start and end of each section. A heading with nothing under it goes with the next."""
    starts, paths = _headings(part.text) if part.is_markdown else ([], [])
    sections: list[tuple[tuple[str, ...], int, int]] = []
    begin = 0
    for path, start, end in zip([(), *paths], [0, *starts], [*starts, len(part.text)], strict=True):
        _, _, below = part.text[start:end].strip().partition("\n")
        if path and not below.strip("=- \n") and end < len(part.text):
            continue
        if part.text[begin:end].strip():
            sections.append((path, begin, end))
        begin = end
    return sections


def _tokens(text: str) -> int:
    return len(_tokenizer().encode(text).ids)


@cache
def _tokenizer() -> Tokenizer:
    return load_tokenizer()


@cache
def _splitters() -> tuple[TextSplitter, MarkdownSplitter]:
    tokenizer = _tokenizer()
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
