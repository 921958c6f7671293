"""Text into chunks: by its structure and by tokens, never across a page or a heading (docs/chunking.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from knowledge.blocks import TITLE_LENGTH, Block, is_rule, list_blocks
from knowledge.cutting import BLANKS, Span, kind_of, last_word, sentence_or_word, stretches
from knowledge.tokens import LONGEST_GAP, Ruler, count_tokens, shorten
from knowledge.types import Part, Piece

METHOD = 2  # moves when the same text comes to be cut otherwise
LARGEST = 220  # tokens: MiniLM sees 256, and the header of spaces.text_to_embed goes in front
OVERLAP = 24  # tokens
SMALLEST_LIMIT = 50  # tokens
INTRODUCTIONS = (":", "：")  # how a line ends that introduces a list, a table or code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    path: tuple[str, ...]
    blocks: list[Block]


@dataclass(slots=True)
class _Cut:
    """A stretch on its way to a piece. `context` is text from above it that has to be read with it."""

    start: int
    end: int
    context: str = ""
    cost: int = 0  # tokens of the context


def split(
    parts: Iterable[Part], *, chunk_tokens: int = LARGEST, overlap: int = OVERLAP, title: str = ""
) -> list[Piece]:
    """Pieces in reading order, none of them blank, none across a page or a heading.

    Every character that is not blank is in a piece; a piece with its context has at most `chunk_tokens` tokens,
    50 at least; where a paragraph is cut, the next piece repeats up to `overlap` tokens of it. The same parts
    always give the same pieces. Takes time in proportion to the text, whatever it holds.
    """
    assert chunk_tokens >= SMALLEST_LIMIT, chunk_tokens
    assert 0 <= overlap <= chunk_tokens // 2, overlap
    return [
        piece
        for number, part in enumerate(parts)
        for piece in _Splitter(part, number, chunk_tokens, overlap, title).pieces()
    ]


def title_of(parts: Sequence[Part], title: str = "") -> str:
    """What a document is called inside: what its file says (`title`); else the heading that its first part begins
    under, where no other stands beside that; else nothing."""
    if " ".join(title.split()):
        return " ".join(title.split())[:TITLE_LENGTH]
    if not parts or not parts[0].is_markdown:
        return ""
    headings = [block for block in list_blocks(parts[0].text, is_markdown=True) if block.kind == "heading"]
    beside = [block for block in headings if block.level <= headings[0].level]
    return headings[0].title if len(beside) == 1 else ""


def without_rules(text: str) -> str:
    """A text without the lines under its tables' headers, which say nothing and take two tokens a column."""
    if "|" not in text:
        return text
    return "\n".join(line for line in text.split("\n") if not is_rule(line))


class _Splitter:
    """Cuts one part."""

    def __init__(self, part: Part, number: int, limit: int, overlap: int, title: str) -> None:
        self._part, self._number, self._title = part, number, title
        self._text, self._limit, self._overlap = part.text, limit, overlap
        self._ruler = Ruler(part.text)

    def pieces(self) -> Iterator[Piece]:
        done = 0
        for path, cut in self._cuts():
            for start, end, tokens in self._fitting(cut):
                if end <= done:  # the half of a cut that was all overlap
                    continue
                done = end
                yield Piece(
                    text=self._text[start:end],
                    context=cut.context,
                    tokens=tokens,
                    title=self._title,
                    heading_path=path,
                    page=self._part.page,
                    label=self._part.label,
                    part=self._number,
                    start=start,
                    end=end,
                )

    def _cuts(self) -> Iterator[tuple[tuple[str, ...], _Cut]]:
        for section in self._sections():
            cuts = (cut for block in self._glued(section.blocks) for cut in self._cut(block))
            for cut in self._joined(cuts):
                yield section.path, cut

    def _sections(self) -> Iterator[_Section]:
        """Blocks under the same headings. A heading with nothing under it goes with the next."""
        path: tuple[tuple[int, str], ...] = ()
        blocks: list[Block] = []
        has_content, size = False, 0
        for block in list_blocks(self._text, is_markdown=self._part.is_markdown):
            if block.kind == "heading":
                if has_content or size > self._limit // 4:
                    yield _Section(path=_titles(path), blocks=blocks)
                    blocks, has_content, size = [], False, 0
                path = (*(above for above in path if above[0] < block.level), (block.level, block.title))
                size += self._count(block.start, block.end)
            else:
                has_content = True
            blocks.append(block)
        if blocks:
            yield _Section(path=_titles(path), blocks=blocks)

    def _glued(self, blocks: list[Block]) -> Iterator[Block]:
        """Headings and lines that introduce what follows become its head, so that they are not cut off from it."""
        glue: Block | None = None
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            if glue is not None and self._count(glue.start, block.head) <= self._limit // 2:
                block = replace(block, start=glue.start, head=max(block.head, block.start))
            elif glue is not None:
                yield glue
            glue = None
            if after is not None and (block.kind == "heading" or self._introduces(block, after)):
                glue = block
            else:
                yield block

    def _introduces(self, block: Block, after: Block) -> bool:
        if block.kind != "prose" or after.kind == "prose" or self._count(block.start, block.end) > self._limit // 4:
            return False
        return self._text[block.start : block.end].rstrip().endswith(INTRODUCTIONS)

    def _cut(self, block: Block) -> Iterator[_Cut]:
        """A block as it is where it fits, else in as few cuts as its boundaries allow."""
        if self._count(block.start, block.end) <= self._limit:
            yield _Cut(block.start, block.end)
            return
        kind = kind_of(self._text, block)
        context = self._context(block)
        cost = count_tokens(without_rules(context))
        overlap = self._overlap if kind == "prose" else 0
        limit = self._limit - cost
        spans = stretches(self._text, self._ruler, block, kind=kind, limit=limit, room=limit - overlap)
        for number, (start, end) in enumerate(self._filled(spans, limit, overlap)):
            yield _Cut(start, end, context, cost) if number else _Cut(start, end)

    def _context(self, block: Block) -> str:
        """What the later cuts of a block are read with: a table's header, a fence's opening line, the line that
        introduces a list. At most a third of the limit."""
        lines = self._text[block.start : block.head].strip("\n").split("\n")
        if block.kind == "table":
            rule = "|-" * (lines[-1].strip().strip("|").count("|") + 1)
            return f"{shorten(lines[-2].strip(), self._limit // 3)}\n{rule}|"
        last = lines[-1].strip()
        if block.kind == "code" or (block.kind == "list" and last.endswith(INTRODUCTIONS)):
            return shorten(last, self._limit // 3)
        return ""

    def _filled(self, spans: Iterable[Span], limit: int, overlap: int) -> Iterator[Span]:
        """Neighbouring spans together, as many as fit; a small rest shares evenly with the cut before it."""
        groups: list[list[Span]] = []
        begins: list[int] = []
        for span in spans:
            if groups and self._count(begins[-1], span[1]) <= limit:
                groups[-1].append(span)
            else:
                begins.append(self._begin(begins[-1], span, limit, overlap) if groups else span[0])
                groups.append([span])
        if len(groups) > 1 and self._count(groups[-1][0][0], groups[-1][-1][1]) < limit // 4:
            both = groups[-2] + groups[-1]
            half = self._count(begins[-2], both[-1][1]) / 2
            middle = min(range(1, len(both)), key=lambda i: abs(self._count(begins[-2], both[i][0]) - half))
            groups[-2:] = both[:middle], both[middle:]
            begins[-1] = self._begin(begins[-2], (both[middle][0], both[-1][1]), limit, overlap)
        for begin, group in zip(begins, groups, strict=True):
            yield begin, group[-1][1]

    def _begin(self, before: int, span: Span, limit: int, overlap: int) -> int:
        """Where a cut begins that repeats the end of the one before it, as far as there is room."""
        if not overlap:
            return span[0]
        earliest = max(self._ruler.back(span[0], overlap), before + 1)
        begin = sentence_or_word(self._text, earliest, span[0])
        return begin if self._count(begin, span[1]) <= limit else span[0]

    def _joined(self, cuts: Iterable[_Cut]) -> Iterator[_Cut]:
        """Neighbours together as long as they fit, so that few small pieces remain."""
        held: _Cut | None = None
        for cut in cuts:
            if held is not None and self._count(held.start, cut.end) + held.cost <= self._limit:
                held.end = cut.end
                continue
            if held is not None:
                yield held
            held = cut
        if held is not None:
            yield held

    def _fitting(self, cut: _Cut) -> Iterator[tuple[int, int, int]]:
        """A cut without the blanks around it, and its tokens; in halves where it has more than the ruler said."""
        start, end = self._trimmed(cut.start, cut.end)
        if start == end:
            return
        tokens = count_tokens(self._text[start:end]) + cut.cost
        if tokens <= self._limit or end - start == 1:
            yield start, end, tokens
            return
        middle = last_word(self._text, start, (start + end) // 2)
        for begin, stop in ((start, middle), (middle, end)):
            yield from self._fitting(replace(cut, start=begin, end=stop))

    def _trimmed(self, start: int, end: int) -> Span:
        """Without the blanks around it; the first line keeps its indentation, which code and lists need."""
        found = BLANKS.match(self._text, start, end)
        if found:
            line = self._text.rfind("\n", max(0, start - 1), found.end()) + 1
            start = line if start <= line and found.end() - line <= LONGEST_GAP else found.end()
        return start, start + len(self._text[start:end].rstrip())

    def _count(self, start: int, end: int) -> int:
        return self._ruler.count(start, end)


def _titles(path: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(title for _, title in path if title)
