"""providers/extractive.py: it quotes, it cites, and it writes nothing of its own."""

from __future__ import annotations

import re

import pytest

from providers.extractive import MAX_SENTENCES, NOTHING_FOUND, ExtractiveModel, quote
from providers.types import ChatRequest, Completion, Delta, Usage

REFUNDS = (
    "Customers may return goods within 30 days of delivery. The refund is paid to the card that was used. "
    "Opened software is excluded."
)
SHIPPING = "Parcels to Norway take five working days. Express shipping costs 12 euros and takes two days."
OFFICE = "The office in Bergen is open from Monday to Friday. Visitors must sign the guest book at the door."
PASSAGES = (REFUNDS, SHIPPING, OFFICE)


def quotations(text: str) -> list[tuple[str, int]]:
    """Each quoted sentence with its number; nothing else may be in the text."""
    found = re.findall(r"\s*(.+?) \[(\d+)\](?=\s|$)", text)
    assert "".join(f"{words}[{number}]" for words, number in found).replace(" ", "") == re.sub(r"\s", "", text)
    return [(words, int(number)) for words, number in found]


def cited(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\[(\d+)\]", text)}


@pytest.mark.parametrize(
    ("question", "sentence", "number"),
    [
        (
            "Within how many days may customers return goods?",
            "Customers may return goods within 30 days of delivery.",
            1,
        ),
        ("What does express shipping cost?", "Express shipping costs 12 euros and takes two days.", 2),
        ("How long do parcels to Norway take?", "Parcels to Norway take five working days.", 2),
        ("When is the office in Bergen open?", "The office in Bergen is open from Monday to Friday.", 3),
        ("WHO MUST SIGN THE GUEST BOOK?!", "Visitors must sign the guest book at the door.", 3),
    ],
)
def test_the_sentence_that_answers_is_quoted_with_its_number(question: str, sentence: str, number: int) -> None:
    assert (sentence, number) in quotations(quote(question, PASSAGES))


@pytest.mark.parametrize(
    "question", ["refund card delivery goods parcels office", "shipping", "visitors in the office"]
)
def test_every_quotation_stands_in_the_passage_it_names(question: str) -> None:
    for sentence, number in quotations(quote(question, PASSAGES)):
        assert sentence in PASSAGES[number - 1]


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("How long is the warranty?", "The warranty lasts two whole years."),
        ("How much is express shipping?", "Express shipping costs 12 euros."),
    ],
)
def test_a_passage_of_one_sentence_that_answers_is_quoted(question: str, passage: str) -> None:
    assert quote(question, (passage,)) == f"{passage} [1]"


def test_other_forms_of_a_word_are_found() -> None:
    assert "Parcels to Norway" in quote("Is a parcel taken to Norway?", PASSAGES)
    assert "policies were renewed" in quote("Which policy was renewed?", ("All our policies were renewed in June.",))


def test_no_more_than_a_few_sentences_are_quoted() -> None:
    passages = tuple(f"The warranty of product number {n} lasts {n} whole years." for n in range(1, 9))
    assert len(quotations(quote("Which product number has a warranty?", passages))) == MAX_SENTENCES


def test_quotations_keep_the_order_of_the_documents_one_paragraph_each() -> None:
    passages = ("The red lamp means danger ahead. The lamp was built in 1920.", "A green lamp means all is well.")
    paragraphs = quote("What does the lamp mean?", passages).split("\n\n")
    assert [cited(paragraph) for paragraph in paragraphs] == [{1}, {2}]


def test_what_two_passages_both_say_is_quoted_once() -> None:
    assert len(quotations(quote("When may customers return goods?", (REFUNDS, REFUNDS)))) == len(
        quotations(quote("When may customers return goods?", (REFUNDS,)))
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "The office is in Bergen.",
        "Shipping is free.",
        "The label says “return within 30 days” in small print.",
        "The head runs the office, e.g. on Mondays, at 9.30 sharp.",
    ],
)
def test_a_sentence_is_quoted_whole_however_it_is_written(sentence: str) -> None:
    other = "Something else entirely happens elsewhere in the meantime."
    assert (sentence, 1) in quotations(quote(sentence, (f"{sentence} {other}",)))


@pytest.mark.parametrize(
    "passage",
    [
        'The label says "return goods within 30 days." Staff may decide otherwise on request.',
        "(Customers may return goods within 30 days.) Staff may decide otherwise on request.",
    ],
    ids=["quotation marks", "parentheses"],
)
def test_a_sentence_keeps_the_mark_that_closes_it(passage: str) -> None:
    ((sentence, _),) = quotations(quote("Within how many days may goods be returned?", (passage,)))
    assert passage.startswith(sentence)
    assert sentence[-1] in '")'


def test_numbers_in_a_document_are_not_taken_for_sources() -> None:
    passages = ("The lamp was invented by Berg in 1920 [2]. It needs oil [3, 4].", "Oil was cheap in the old days.")
    text = quote("Who invented the lamp?", passages)
    assert "The lamp was invented by Berg in 1920" in text
    assert cited(text) == {1}


@pytest.mark.parametrize(
    "question",
    ["What is the capital of Mongolia?", "Who won the football championship?", "Explain quantum entanglement"],
)
def test_passages_that_do_not_answer_are_not_quoted(question: str) -> None:
    assert quote(question, PASSAGES) == NOTHING_FOUND


@pytest.mark.parametrize("question", ["", "   ", "?!…", "what is the", "🦊"])
def test_a_question_without_words_finds_nothing(question: str) -> None:
    assert quote(question, PASSAGES) == NOTHING_FOUND


@pytest.mark.parametrize(
    "passages",
    [(), ("",), (" \n\n ",), ("...", "!!!"), ("# Refunds",)],
    ids=["none", "empty", "blank", "marks only", "a heading alone"],
)
def test_without_anything_to_quote_it_says_so(passages: tuple[str, ...]) -> None:
    assert quote("How do refunds work?", passages) == NOTHING_FOUND


DOCUMENT = """# The refund policy of the refund department

| refund within | days of delivery |
|---------------|------------------|
| refund goods  | thirty refund days |

```python
def refund(goods, days):  # refund the goods within days

    return goods.refund within days of delivery
```

- A refund is paid within 30 days of delivery.

> Goods on sale get no refund at all.

1. Send the goods back for a refund within 14 days.
"""


def test_headings_tables_and_code_are_not_quoted() -> None:
    text = quote("When is a refund of goods paid, within how many days of delivery?", (DOCUMENT,))
    assert "A refund is paid within 30 days of delivery. [1]" in text
    for part in ("policy of the refund department", "|", "thirty", "```", "def refund", "goods.refund"):
        assert part not in text


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Is a refund paid within 30 days?", "A refund is paid within 30 days of delivery."),
        ("Do goods on sale get a refund?", "Goods on sale get no refund at all."),
        ("Send the goods back within 14 days?", "Send the goods back for a refund within 14 days."),
    ],
    ids=["of a list", "of a quotation", "of a numbered list"],
)
def test_an_item_is_quoted_without_its_mark(question: str, sentence: str) -> None:
    assert (sentence, 1) in quotations(quote(question, (DOCUMENT,)))


def test_a_sentence_that_runs_over_lines_is_quoted_in_one() -> None:
    text = quote("When may goods be returned?", ("Goods may be returned\nwithin thirty days\n  of delivery.",))
    assert text == "Goods may be returned within thirty days of delivery. [1]"


@pytest.mark.parametrize(
    ("question", "passage", "quoted"),
    [
        (
            "Innerhalb welcher Frist können Waren zurückgegeben werden?",
            "Waren können innerhalb einer Frist von 30 Tagen zurückgegeben werden. Ausnahmen regelt die Leitung.",
            "Waren können innerhalb einer Frist von 30 Tagen zurückgegeben werden.",
        ),
        (
            "Сколько дней можно вернуть товар?",
            "Товар можно вернуть в течение 30 дней. Офис закрыт по воскресеньям.",
            "Товар можно вернуть в течение 30 дней.",
        ),
    ],
    ids=["German", "Russian"],
)
def test_other_languages_are_quoted_too(question: str, passage: str, quoted: str) -> None:
    assert f"{quoted} [1]" in quote(question, (passage,))


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("返品は何日以内にできますか？", "商品は配達から30日以内に返品できます。返金はカードに行われます。"),
        ("退货期限是多少天？", "客户可以在收货后30天内退货。退款将退回原卡。"),
        ("كم يوما يمكن إرجاع البضائع؟", "يمكن إرجاع البضائع خلال 30 يوما. المكتب مغلق يوم الأحد."),
        ("สินค้าคืนได้ภายในกี่วัน", "สินค้าสามารถคืนได้ภายใน 30 วัน"),
    ],
    ids=["Japanese", "Chinese", "Arabic", "Thai"],
)
def test_no_language_makes_it_stumble(question: str, passage: str) -> None:
    text = quote(question, (passage,))
    assert text == NOTHING_FOUND or all(sentence in passage for sentence, _ in quotations(text))


def test_a_long_list_of_passages_is_no_trouble() -> None:
    passages = (*(f"Paragraph {n} tells of something else." for n in range(40)), REFUNDS)
    assert cited(quote("When may customers return goods?", passages)) <= set(range(1, 42))


def request(question: str) -> ChatRequest:
    return ChatRequest(messages=(), question=question, passages=PASSAGES)


async def test_the_stream_is_the_quotation_word_by_word_and_costs_nothing() -> None:
    question = "When may customers return goods, and what does express shipping cost?"
    *words, last = [part async for part in ExtractiveModel().stream(request(question))]
    assert len(words) > 5
    assert "".join(part.text for part in words if isinstance(part, Delta)) == quote(question, PASSAGES)
    assert last == Completion(model="extractive", finish_reason="stop", usage=Usage())


async def test_having_found_nothing_is_a_whole_answer_too() -> None:
    *words, last = [part async for part in ExtractiveModel().stream(request("Who won the championship?"))]
    assert "".join(part.text for part in words if isinstance(part, Delta)) == NOTHING_FOUND
    assert isinstance(last, Completion)
