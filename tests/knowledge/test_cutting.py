"""knowledge/cutting.py, blocks.py: tables, lists, code, logs and sentences, cut where they may be."""

from __future__ import annotations

import pytest

from knowledge.chunking import LARGEST, split
from knowledge.types import Part
from tests.knowledge.test_chunking import LONG, split_markdown, split_text


def test_rows_of_a_long_table_are_whole_and_each_chunk_knows_its_header() -> None:
    rows = [f"| Bolt M{i} | {i * 3} Euro | shelf {i} |" for i in range(200)]
    header = "| Item | Price | Place |\n|------|:-----:|------:|"
    text = "Our prices:\n\n" + "\n".join([header, *rows]) + "\n\nAll without tax."
    pieces = split_markdown(text)
    assert len(pieces) > 5
    assert pieces[0].text.startswith(f"Our prices:\n\n{header}\n{rows[0]}\n")
    assert pieces[0].context == ""
    assert {piece.context for piece in pieces[1:]} == {"| Item | Price | Place |\n|-|-|-|"}
    inside = [line for piece in pieces for line in piece.text.split("\n") if line.startswith("| Bolt")]
    assert inside == rows, "each once, none cut"


def test_a_row_larger_than_a_chunk_is_cut_between_its_cells() -> None:
    text = "| a | b | c |\n|---|---|---|\n" + "| " + " | ".join([LONG * 9] * 3) + " |\n"
    pieces = split_markdown(text)
    assert max(piece.tokens for piece in pieces) <= LARGEST
    assert sum(piece.text.count(LONG.strip()) for piece in pieces) >= 27 - len(pieces)


def test_a_header_wider_than_a_chunk_leaves_room_for_the_rows() -> None:
    columns = [f"Column number {i}" for i in range(100)]
    header = "| " + " | ".join(columns) + " |\n" + "|---" * 100 + "|\n"
    pieces = split_markdown(header + "".join(f"| {'x | ' * 100}\n" for _ in range(5)))
    assert max(piece.tokens for piece in pieces) <= LARGEST


def test_a_table_that_fits_is_one_piece_with_no_context() -> None:
    (piece,) = split_markdown("| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert (piece.text, piece.context) == ("| a | b |\n|---|---|\n| 1 | 2 |", "")


def test_a_list_stays_with_the_line_that_introduces_it() -> None:
    items = [f"- Part {i} is sent with a label, a bill and a seal." for i in range(40)]
    text = LONG * 12 + "\n\nThe box holds:\n\n" + "\n".join(items)
    pieces = split_markdown(text)
    first = next(piece for piece in pieces if "The box holds:" in piece.text)
    assert items[0] in first.text
    later = pieces[pieces.index(first) + 1 :]
    assert later
    assert {piece.context for piece in later} == {"The box holds:"}
    assert all(piece.text.startswith("- Part") for piece in later)


def test_items_of_a_list_are_cut_with_what_is_nested_in_them() -> None:
    text = "\n".join(f"- Part {i}\n  - its label\n  - its bill and its seal" for i in range(40))
    assert all(piece.text.startswith("- Part") for piece in split_markdown(text))


def test_code_is_kept_whole_where_it_fits() -> None:
    code = "```python\n" + "\n\n".join(f"def f{i}():\n    return {i}" for i in range(8)) + "\n```"
    pieces = split_markdown(f"{LONG * 18}\n\n{code}\n\n{LONG * 18}")
    assert sum(code in piece.text for piece in pieces) == 1


def test_longer_code_is_cut_at_its_blank_lines_and_remembers_its_language() -> None:
    code = "\n\n".join(f"def f{i}():\n    total = {i} + {i}\n    return total" for i in range(40))
    pieces = split_markdown(f"```python\n{code}\n```")
    assert len(pieces) > 2
    assert [piece.context for piece in pieces] == ["", *["```python"] * (len(pieces) - 1)]
    assert all(piece.text.startswith("def f") for piece in pieces[1:])
    assert not [piece.heading_path for piece in pieces if piece.heading_path]


def test_a_fence_that_is_never_closed_goes_to_the_end() -> None:
    (piece,) = split_markdown("```\n# no heading\n\n# nor this")
    assert piece.heading_path == ()


def test_lines_of_a_log_are_whole() -> None:
    lines = [f"2026-11-21 05:{i % 60:02} ERR-{i} The parcel was not found." for i in range(200)]
    pieces = split_text("\n".join(lines))
    assert [line for piece in pieces for line in piece.text.split("\n")] == lines


def test_turns_of_a_transcript_are_whole() -> None:
    lines = [f"Alice: I sent parcel {i}. It is late.\nBob: Parcel {i} is here. Thank you." for i in range(60)]
    assert all(piece.text.startswith(("Alice:", "Bob:")) for piece in split_text("\n".join(lines)))


@pytest.mark.parametrize("sentence", ["客户可以在收货后三十天内退货。", "お客様は三十日以内に返品できます！"])
def test_sentences_without_blanks_between_them_are_whole(sentence: str) -> None:
    pieces = split([Part(text=sentence * 100)], overlap=0)
    assert len(pieces) > 3
    assert all(piece.text.endswith(sentence[-1]) and piece.text.startswith(sentence[0]) for piece in pieces)


def test_thai_is_cut_at_its_blanks() -> None:
    phrase = "ลูกค้าคืนสินค้าได้"
    assert all(set(piece.text.split()) == {phrase} for piece in split_text(f"{phrase} " * 200))
