"""knowledge/chunking.py: pieces small enough for the embedder, each at its place."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.chunking import LARGEST, split, without_rules
from knowledge.tokens import count_tokens
from knowledge.types import Part, Piece
from providers.minilm import load_tokenizer
from tests.conftest import HANDBOOK

LONG = "Customers may return goods within thirty days of delivery. "


def split_text(text: str) -> list[Piece]:
    return split([Part(text=text)])


def split_markdown(text: str) -> list[Piece]:
    return split([Part(text=text, is_markdown=True)])


@pytest.mark.parametrize("is_markdown", [True, False])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=400))
def test_every_piece_stands_in_its_text_where_it_says(text: str, is_markdown: bool) -> None:
    for piece in split([Part(text=text, is_markdown=is_markdown)]):
        assert text[piece.start : piece.end] == piece.text
        assert piece.text.strip()


def test_offsets_count_characters_and_not_bytes() -> None:
    text = "🙂 Größe ändern. " * 200
    pieces = split_text(text)
    assert len(pieces) > 1
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)


def test_no_piece_is_larger_than_the_embedder_sees() -> None:
    tokenizer = load_tokenizer()
    pieces = split_text(LONG * 200)
    assert all(len(tokenizer.encode(piece.text, add_special_tokens=False).ids) <= LARGEST for piece in pieces)


def test_nothing_is_lost_between_two_pieces() -> None:
    text = "".join(f"Sentence number {i} says that {i} is a number. " for i in range(300))
    pieces = split_text(text)
    for before, after in pairwise(pieces):
        assert text[before.end : after.start].strip() == ""


def test_neighbours_overlap_so_that_no_sentence_falls_between_them() -> None:
    pieces = split_text(LONG * 60)
    assert len(pieces) > 1
    assert all(after.start < before.end for before, after in pairwise(pieces))


@pytest.mark.parametrize("text", ["0123456789abcdef" * 5_000, "🙂" * 20_000], ids=["hex dump", "emoji"])
def test_a_text_without_blanks_is_cut_too(text: str) -> None:
    """A word of more than 100 characters is one unknown token to the tokenizer: one piece of it fills a prompt."""
    assert max(len(piece.text) for piece in split_text(text)) <= 4_000


def test_a_long_run_of_blanks_is_no_piece() -> None:
    pieces = split_text("Left" + " " * 20_000 + "right")
    assert all(piece.text.strip() for piece in pieces)
    assert {"Left", "right"} <= set(" ".join(piece.text for piece in pieces).split())


def test_documents_of_headings_alone_are_not_lost() -> None:
    assert split_markdown("# One\n\n# Two")[-1].text.endswith("# Two")


def test_a_blank_text_has_no_pieces() -> None:
    assert split_text(" \n\n ") == []
    assert split([]) == []


def test_no_piece_runs_over_the_end_of_a_page() -> None:
    pieces = split([Part(text="On the first page.", page=1), Part(text="On the second page.", page=2)])
    assert [(piece.page, piece.text) for piece in pieces] == [(1, "On the first page."), (2, "On the second page.")]


def test_a_piece_knows_the_headings_above_it() -> None:
    text = f"Before.\n\n# Install\n\n{LONG * 30}\n\n## Linux\n\n{LONG * 30}\n\n# Use\n\n{LONG * 30}"
    paths = [piece.heading_path for piece in split_markdown(text)]
    assert list(dict.fromkeys(paths)) == [(), ("Install",), ("Install", "Linux"), ("Use",)]


def test_a_piece_does_not_run_on_under_the_next_heading() -> None:
    """Else a passage about shipping is cited as one about refunds."""
    pieces = split_markdown(HANDBOOK)
    shipping = [piece for piece in pieces if "Parcels to Norway" in piece.text]
    assert [piece.heading_path for piece in shipping] == [("Shipping",)]


def test_a_heading_alone_is_no_piece() -> None:
    """It would be found by every question that names it, and answer none."""
    text = f"# Install\n\n{LONG * 3}\n\n## Linux\n\n{LONG * 60}"
    assert not [piece.text for piece in split_markdown(text) if piece.text.strip() == "## Linux"]


def test_a_hash_in_a_code_block_is_no_heading() -> None:
    text = f"# Install\n\n```\n# not a heading\n```\n\n{LONG * 30}"
    assert {piece.heading_path for piece in split_markdown(text)} == {("Install",)}


def test_a_hash_in_a_plain_text_is_no_heading() -> None:
    assert split_text("# Not a heading\n\nText.")[0].heading_path == ()


def test_headings_by_underlining_count_and_their_marks_do_not() -> None:
    (piece,) = split_markdown("The **bold** `code`\n===================\n\nText.")
    assert piece.heading_path == ("The bold code",)


def test_a_heading_of_any_length_is_cut_to_one_that_can_be_shown() -> None:
    (path,) = {piece.heading_path for piece in split_markdown("# " + "word " * 300 + "\n\nText.")}
    assert len(path[0]) == 200


def test_a_heading_after_wide_characters_is_found_at_its_place() -> None:
    text = f"🙂🙂🙂 Größe\n\n# Ünï\n\n{LONG * 30}"
    assert [piece.heading_path for piece in split_markdown(text)][-1] == ("Ünï",)


FRAGMENTS = [
    *(
        "# A\n",
        "## B b\n",
        "Title\n===\n",
        "```python\n",
        "```\n",
        "x = 1\n",
        "| a | b |\n",
        "|---|---|\n",
        "| 1 | 2 |\n",
    ),
    *(
        "- item one\n",
        "  - nested\n",
        "1. first\n",
        "Intro:\n",
        "\n",
        "\n\n",
        "A sentence here. ",
        "客户退货。",
        "ภาษาไทย",
    ),
    *(
        "    ",
        "\t",
        "--- \n",
        "word " * 30,
        "z" * 130,
        "🙂" * 30,
        "---\nkey: v\n---\n",
        "e\u0301\u0302" * 20,
        "| " * 40,
    ),
    *("2026-01-01 12:00 log line\n", "ﬁ", "\x1f", "\u2028", "Alice: hello\n", "> "),
]
ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=30)
HOSTILE = st.lists(st.one_of(st.sampled_from(FRAGMENTS), ANYTHING), max_size=50).map("".join)


@given(text=HOSTILE, is_markdown=st.booleans(), limit=st.sampled_from([50, 120]), overlap=st.sampled_from([0, 25]))
def test_nothing_is_lost_or_too_large_whatever_a_text_holds(
    text: str, is_markdown: bool, limit: int, overlap: int
) -> None:
    part = Part(text=text * 2, is_markdown=is_markdown)
    pieces = split([part], chunk_tokens=limit, overlap=overlap)
    found: set[int] = set()
    for piece in pieces:
        assert part.text[piece.start : piece.end] == piece.text
        assert piece.text.strip()
        assert count_tokens(piece.text) + count_tokens(without_rules(piece.context)) == piece.tokens <= limit
        found.update(range(piece.start, piece.end))
    assert all(character.isspace() or at in found for at, character in enumerate(part.text))
    assert all(before.end < after.end for before, after in pairwise(pieces))
    assert pieces == split([part], chunk_tokens=limit, overlap=overlap)


def test_size_and_overlap_are_as_asked() -> None:
    text = "".join(f"Sentence number {i} says that {i} is a number. " for i in range(300))
    for limit, overlap in [(50, 0), (50, 25), (120, 30), (600, 100)]:
        pieces = split([Part(text=text)], chunk_tokens=limit, overlap=overlap)
        assert limit * 0.6 < max(piece.tokens for piece in pieces) <= limit
        repeated = [count_tokens(text[after.start : before.end]) for before, after in pairwise(pieces)]
        assert max(repeated) <= overlap
        assert all(repeated) == bool(overlap)


def test_a_change_at_the_end_leaves_the_pieces_before_it() -> None:
    """Else every row that is added to a table would be a new embedding of all of it."""
    head = "| Item | Price |\n|---|---|\n"
    rows = "".join(f"| Bolt M{i} | {i * 3} Euro |\n" for i in range(300))
    before, after = split_markdown(head + rows), split_markdown(head + rows + "| Nut | 1 Euro |\n")
    assert [piece.text for piece in before[:-2]] == [piece.text for piece in after[: len(before) - 2]]


def test_front_matter_is_no_heading() -> None:
    (piece, *_) = split_markdown("---\nauthor: Alice\n---\n\nText.")
    assert piece.heading_path == ()


def test_a_line_of_dashes_under_a_long_paragraph_makes_it_no_heading() -> None:
    assert {piece.heading_path for piece in split_markdown(f"{LONG * 5}\n---\nText.")} == {()}
