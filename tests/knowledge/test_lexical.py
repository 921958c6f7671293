"""knowledge/lexical.py and knowledge/languages.py: the words of texts and questions, in every script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.languages import detect
from knowledge.lexical import LONGEST, ask, count_lexemes, quote, split_words, stem, tsvector_literal


def lexemes(text: str, language: str = "en") -> set[str]:
    return set(count_lexemes(text, language)[0])


def asked(text: str) -> set[str]:
    return {term.lexeme for term in ask(text)}


@pytest.mark.parametrize("way", ["ERR-4012", "err_4012", "ERR4012", "Err-4012", "ＥＲＲ－4012", "(ERR-4012)"])
def test_an_identifier_is_one_word_however_it_is_joined_and_its_parts_are_words_too(way: str) -> None:
    assert {"err4012", "err", "4012"} <= lexemes(f"The code {way} was shown.")
    assert [word.text for word in split_words(way) if word.is_code] == ["err4012"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/docs/ERR-4012", {"https://example.org/docs/err-4012", "err4012", "example.org", "doc"}),
        ("write to anna.b@example.org", {"anna.b@example.org", "anna.b", "anna", "example.org"}),
        ("version v2.10.3", {"v2.10.3", "v", "2", "10", "3"}),
        ("call getUserName()", {"getusername", "get", "user", "name"}),
        ("max_upload_size", {"maxuploadsize", "max", "upload", "size"}),
        (r"C:\Temp\run-7.log", {r"c:\temp\run-7.log", "temp", "run7.log", "run", "7", "log"}),
    ],
)
def test_addresses_paths_versions_and_names_in_code_count_whole_and_in_parts(text: str, expected: set[str]) -> None:
    assert expected <= lexemes(text)


@pytest.mark.parametrize("text", ["well-known", "a 10-year plan", "and/or", "state-of-the-art", "2019", "U.S.A."])
def test_what_is_only_hyphenated_is_no_identifier(text: str) -> None:
    assert not any(word.is_code for word in split_words(text))


def test_case_accents_and_compatible_forms_make_no_difference() -> None:
    assert lexemes("CAFÉ ﬁle Straße", "") == lexemes("cafe file strasse", "")


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "returning", "returned"),
        ("de", "Häuser", "Hauses"),
        ("es", "canciones", "canción"),
        ("ru", "книги", "книга"),
        ("pl", "książki", "książka"),
    ],
)
def test_words_of_one_stem_are_one(language: str, one: str, other: str) -> None:
    assert lexemes(one, language) == lexemes(other, language)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("黑豹队的防守只丢了308分", "防守丢了多少分"),
        ("東京タワーの高さは333メートルです", "タワーの高さ"),
        ("ราคาค่าจัดส่งสินค้า", "ค่าจัดส่ง"),
        ("배송에는 닷새가 걸립니다", "배송"),
        ("ລາຄາສິນຄ້າ", "ສິນຄ້າ"),
    ],
)
def test_scripts_without_word_spaces_match_by_pairs(text: str, question: str) -> None:
    assert len(lexemes(text, detect(text)) & asked(question)) >= 1
    assert not any(len(lexeme) > 6 for lexeme in lexemes(text, "") if not lexeme.isascii())


def test_a_question_asks_for_the_stems_of_every_language_that_a_project_may_have() -> None:
    terms = {term.lexeme: term.languages for term in ask("Häuser")}
    assert "de" in terms[stem("häuser", "de")]
    assert "tr" not in terms[stem("häuser", "de")]
    assert terms["hauser"] == ()  # where no stemmer is known


def test_small_words_are_asked_for_only_where_there_are_no_others() -> None:
    assert "the" not in asked("What is the refund in the shop?")
    assert "refund" in asked("What is the refund in the shop?")
    assert {"who", "is", "the"} <= asked("Who is the who?")


def test_each_word_counts_as_often_as_it_is_there() -> None:
    counts, length = count_lexemes("Refund the refund, refunds!", "en")
    assert (counts["refund"], length) == (3, 4)
    assert "'refund':1,2,3" in tsvector_literal(counts)


@given(st.text(max_size=300))
def test_any_text_has_words_that_are_short_and_quoted(text: str) -> None:
    counts, length = count_lexemes(text, "en")
    assert all(0 < len(lexeme) <= 2 * LONGEST for lexeme in counts)
    assert length <= sum(counts.values())
    assert all(quote(lexeme).replace("\\\\", "").replace("''", "").count("'") == 2 for lexeme in counts)
    assert detect(text) or {term.lexeme for term in ask(text)} >= set(count_lexemes(text, "")[0])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Customers may return goods within 30 days of the delivery."),
        ("de", "Kunden können die Ware innerhalb von 30 Tagen nach der Lieferung zurückgeben."),
        ("fr", "Les clients peuvent retourner les articles dans un délai de 30 jours."),
        ("es", "Los clientes pueden devolver los productos en un plazo de 30 días."),
        ("it", "I clienti possono restituire la merce entro 30 giorni dalla consegna."),
        ("nl", "Klanten kunnen de goederen binnen 30 dagen na de levering terugsturen."),
        ("zh", "客户可以在30天内退货。"),
        ("ja", "お客様は30日以内に商品を返品できます。"),
        ("ko", "고객은 30일 이내에 상품을 반품할 수 있습니다."),
        ("th", "ลูกค้าสามารถคืนสินค้าได้ภายใน 30 วัน"),
        ("ru", "Клиенты могут вернуть товар в течение 30 дней."),
        ("uk", "Клієнти можуть повернути товар протягом 30 днів."),
        ("el", "Οι πελάτες μπορούν να επιστρέψουν τα προϊόντα."),
        ("ar", "يمكن للعملاء إرجاع البضائع خلال 30 يوما"),
        ("hi", "ग्राहक 30 दिनों के भीतर सामान वापस कर सकते हैं।"),
        ("", "4012 7 12,5"),
        ("", ""),
    ],
)
def test_the_language_of_a_sentence_is_told(language: str, text: str) -> None:
    assert detect(text) == language
