"""chat/presenting.py: the sources below an answer, as the page and the socket show them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from hypothesis import given
from hypothesis import strategies as st

from chat.models import Conversation
from chat.presenting import divided, sources_html
from tests.conftest import Cast, add_document, browser_of, complete, make_question

ANSWER = "0f9e1a2b-0000-4000-8000-000000000000"


def source(n: int, **changes: Any) -> dict[str, Any]:  # Any: JSON
    row = {
        "n": n,
        "chunk_id": UUID(int=n),
        "document_id": UUID(int=100 + n),
        "document": "handbook.md",
        "locator": "Refunds",
        "text": f"What passage {n} says.",
        "similarity": 0.71,
    }
    return {**row, **changes}


def numbers(html: str) -> list[str]:
    return re.findall(r'data-source-row="(\d+)"', html)


def shown(text: str | None, *rows: dict[str, Any]) -> str:  # Any: JSON
    return sources_html(ANSWER, rows, text, "support")


def test_the_sources_that_a_text_cites_stand_apart_from_those_that_were_found() -> None:
    html = shown("It is so [3]. And so [1, 9], `[2]`.", *(source(n) for n in range(1, 6)))
    used, found = html.split('<details class="found">')
    assert "2 sources used" in used
    assert "3 more sources found" in found
    assert (numbers(used), numbers(found)) == (["1", "3"], ["2", "4", "5"])


def test_while_a_text_is_written_its_sources_are_only_found() -> None:
    html = shown(None, source(1), source(2))
    assert "2 sources found" in html
    assert "used" not in html


def test_a_text_that_cites_nothing_has_found_its_sources_only() -> None:
    html = shown("I could not find this.", source(1))
    assert "1 source found" in html
    assert "used" not in html


def test_without_sources_nothing_is_shown() -> None:
    assert shown("Hello.").strip() == ""


def test_each_source_has_the_address_that_its_number_leads_to() -> None:
    assert re.findall(r'id="([^"]+)"', shown("So [2].", source(1), source(2))) == [
        f"source-{ANSWER}-2",
        f"source-{ANSWER}-1",
    ]


def test_a_passage_of_a_pdf_has_the_picture_of_its_page() -> None:
    html = shown("So [1].", source(1, document="Valves.PDF", locator="Page 24 · Valves"))
    assert f"/documents/{UUID(int=101)}/pages/24.png?chunk={UUID(int=1)}" in html
    assert 'loading="lazy"' in html
    assert "Page 24 as it looks in the original" in html


@pytest.mark.parametrize(
    "changes",
    [
        {"document": "notes.md", "locator": "Page 24"},
        {"document": "a.pdf", "locator": "Preface"},
        {"document": "a.pdf", "locator": "Page 2", "is_gone": True},
    ],
)
def test_what_has_no_page_has_no_picture(changes: dict[str, Any]) -> None:
    assert "<img" not in shown("So [1].", source(1, **changes))


def test_a_passage_that_left_the_project_says_so_and_leads_nowhere() -> None:
    html = shown("So [1].", source(1, is_gone=True, text="This passage is no longer in the project."))
    assert "no longer in the project" in html
    assert "Gone" in html
    assert "<a " not in html


ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[x](javascript:alert(1))",
    "</bdi><svg/onload=x>",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("field", ["document", "locator", "text"])
def test_nothing_that_stands_in_a_source_runs(field: str, attack: str) -> None:
    html = shown("So [1].", source(1, **{field: attack}))
    assert not re.search(r"<(?:script|img|svg/)", html)
    assert 'href="javascript' not in html
    for attributes in re.findall(r"<\w+([^>]*)>", html):
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', '""', attributes))


def test_a_name_that_reads_from_right_to_left_turns_nothing_around_it() -> None:
    assert '<bdi class="source-name">\u05d0\u05d1\u202e.md</bdi>' in shown(
        "So [1].", source(1, document="\u05d0\u05d1\u202e.md")
    )


@given(st.text(alphabet="[]0123456789, `$ab\n", max_size=80), st.sets(st.integers(1, 12)))
def test_every_source_is_shown_once(text: str, which: set[int]) -> None:
    parts = divided([source(n) for n in sorted(which)], text)
    assert sorted([row["n"] for row in (*parts.used, *parts.found)]) == sorted(which)
    assert all(str(row["n"]) in text for row in parts.used)


def test_ten_thousand_citations_of_five_sources_are_five_sources() -> None:
    parts = divided([source(n) for n in range(1, 6)], "So [1][2]. " * 10_000)
    assert [row["n"] for row in parts.used] == [1, 2]


def test_the_page_of_a_conversation_shows_them_apart(cast: Cast) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, "How many days do customers have to return goods?"))
    conversation = Conversation.objects.get()
    answer = conversation.messages.get(role="assistant")
    answer.content = "Thirty days [1]."
    answer.sources = [source(n, chunk_id=str(UUID(int=n)), document_id=str(UUID(int=n))) for n in (1, 2)]
    answer.save()
    page = browser_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
    assert "1 source used" in page
    assert "1 more source found" in page
    assert f'id="source-{answer.id}-1"' in page
    answer.status = "streaming"
    answer.save()
    assert "2 sources found" in browser_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
