"""knowledge/parsers/text.py: text in whatever encoding it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import WrongKind
from knowledge.parsers import parse
from knowledge.parsers.text import decode

GERMAN = "Die Rückgabe ist innerhalb von 30 Tagen möglich. Größe ändern? Natürlich: schöne Grüße aus Köln."
RUSSIAN = "Возврат товара возможен в течение тридцати дней. Деньги возвращаются на карту."


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1))
def test_every_text_in_utf_8_comes_back_as_it_was(text: str) -> None:
    assert decode(text.encode()) == text.removeprefix("\ufeff")


@given(
    st.lists(
        st.sampled_from(["the", "value", "of", "ERR-4012", "is", "shown", "here", "30", "€5.", "Größe"]), min_size=4
    ),
    st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
)
def test_wide_encodings_without_a_mark_come_back_as_they_were(words: list[str], encoding: str) -> None:
    text = " ".join(words)
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("名前,年齢,住所\n佐藤太郎,30,東京", "cp932"),
        ("返品は三十日以内に可能です。", "euc_jp"),
        ("返品は三十日以内に可能です。", "iso2022_jp"),
        ("退货期限为三十天，客户可以退货。运费由本公司承担。", "utf-16-le"),
        ("退货期限为三十天，客户可以退货。运费由本公司承担。", "gb18030"),
    ],
)
def test_east_asian_texts_are_told_apart(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("text", ["Größe für Möbel", "naïve café, déjà vu", "返品は三十日以内", "Возврат товара"])
@pytest.mark.parametrize("bad", [b"\xff", b"\xe4", b"\x80"])
def test_a_bad_byte_in_a_short_text_in_utf_8_costs_one_character(text: str, bad: bytes) -> None:
    assert decode(text.encode() + bad + b" end") == text + "\ufffd end"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
def test_the_notes_say_how_many_characters_could_not_be_read(name: str) -> None:
    words = "Größe, Möbel, schön".encode()
    assert parse(name, words).notes == ""
    assert parse(name, words + b"\xff").notes.startswith("1 character could not be read and stands as “\ufffd”")
    assert parse(name, words + b"\xff and \xff").notes.startswith("2 characters could not be read and stand as")


def test_the_notes_of_an_attachment_are_those_of_its_mail() -> None:
    head = 'Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    attached = '--b\nContent-Type: text/plain\n\nwords\n--b\nContent-Disposition: attachment; filename="a.txt"\n\n'
    mail = (head + attached + "Größe, schön ").encode() + b"\xff\n--b--\n"
    assert parse("a.eml", mail).notes.startswith("Attachment a.txt: 1 character could not be read")


@pytest.mark.parametrize("text", ["« déjà »", "AÇÃO e NÃO", "Ünï"])
def test_a_short_text_in_cp1252_is_not_taken_for_broken_utf_8(text: str) -> None:
    assert "\ufffd" not in decode(text.encode("cp1252"))


def test_a_log_in_utf_8_with_a_broken_byte_stays_utf_8() -> None:
    text = "Größe für Möbel, schön. " * 50
    assert decode(text.encode() + b"\xff end") == text + "\ufffd end"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"],
)
def test_a_text_is_read_in_the_encoding_it_was_written_in(encoding: str) -> None:
    assert decode(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "utf-16"),
        (RUSSIAN, "cp1251"),
        ("Zwrot towaru jest możliwy w ciągu trzydziestu dni. Pieniądze są zwracane na kartę.", "cp1250"),
        ("退货期限为三十天，客户可以退货。", "gbk"),
        ("返品は三十日以内に可能です。", "shift_jis"),
    ],
)
def test_texts_of_other_languages_too(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "text",
    ["Zürich", "Größe: 42", "Señor, mañana.", "Café déjà vu", "Dépôt légal: à voir", "smörgåsbord på svenska"],
)
def test_a_short_text_in_latin_1_is_not_taken_for_arabic_or_chinese(text: str) -> None:
    assert decode(text.encode("latin-1")) == text


def test_typographic_quotes_of_windows_are_read() -> None:
    text = "“Quoted” text – it’s 5 € only"
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize("content", [b"abc\x00def", b"\x00", b"\xef\xbb\xbfabc\x00"])
def test_nul_bytes_are_refused_for_postgresql_cannot_store_them(content: bytes) -> None:
    with pytest.raises(WrongKind, match="NUL bytes"):
        decode(content)


def test_nul_bytes_behind_a_byte_order_mark_are_refused_too() -> None:
    with pytest.raises(WrongKind, match="NUL bytes"):
        decode("abc\x00def".encode("utf-16"))


def test_a_picture_under_the_name_of_a_text_is_refused() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(1, 256)) * 8
    with pytest.raises(WrongKind):
        decode(picture)


@pytest.mark.parametrize(
    "content",
    [b"\x01\x02\x03\x04\x05\x06\x07\x08 \x0e\x0f\x10", b"\x01a\x02b\x03c"],
)
def test_control_characters_are_no_text(content: bytes) -> None:
    with pytest.raises(WrongKind):
        decode(content)


def test_a_text_that_breaks_off_in_a_character_is_read_as_far_as_it_goes() -> None:
    assert decode("Bücher".encode("utf-16") + b"x") == "Bücher\ufffd"


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_every_line_end_becomes_a_line_feed(ends: str) -> None:
    assert decode(f"one{ends}two{ends}".encode()) == "one\ntwo\n"


def test_markdown_is_marked_as_such_and_plain_text_is_not() -> None:
    (markdown,), (plain,) = parse("a.md", b"# A").parts, parse("a.txt", b"# A").parts
    assert (markdown.is_markdown, markdown.text, markdown.page) == (True, "# A", None)
    assert (plain.is_markdown, plain.text, plain.page) == (False, "# A", None)
