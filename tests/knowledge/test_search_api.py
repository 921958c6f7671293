"""knowledge/search_api.py and what documents are filtered by, for programs."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from knowledge.describing import describe
from knowledge.models import Document
from tests.conftest import Cast, add_document, browser_of
from tests.knowledge.conftest import upload
from tests.knowledge.test_api import DOCUMENTS, SEARCH, program_of
from tests.knowledge.test_api import program as program

UNSTORABLE = [
    '{"a": "x\\u0000y"}',
    '{"a\\u0000": 1}',
    '{"a": "\\ud800"}',
    '{"\\udfff": 1}',
    '{"a": 1e999}',
    '{"a": -1e999}',
]


@pytest.mark.parametrize("metadata", UNSTORABLE)
def test_metadata_that_the_database_cannot_hold_is_refused(cast: Cast, program: APIClient, metadata: str) -> None:
    document = upload(cast.project)[0]
    asked = [
        program.patch(f"{DOCUMENTS}{document.id}/", f'{{"metadata": {metadata}}}', content_type="application/json"),
        program.post(
            SEARCH, f'{{"query": "a", "filters": {{"metadata": {metadata}}}}}', content_type="application/json"
        ),
    ]
    for response in asked:
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")
        assert "metadata" in response.json()["error"]["message"]
    assert Document.objects.get().metadata == {}


def test_metadata_that_no_document_can_have_is_no_filter(cast: Cast, program: APIClient) -> None:
    asked = {"query": "a", "filters": {"metadata": {"team": ["sales", "support"]}}}
    response = program.post(SEARCH, asked, format="json")
    assert response.status_code == 400
    assert "'team'" in response.json()["error"]["message"]


@pytest.mark.parametrize("name", ["documents", "tags", "kinds", "metadata"])
def test_a_filter_that_names_nothing_is_refused_and_not_everything(program: APIClient, name: str) -> None:
    asked = {"query": "a", "filters": {name: {} if name == "metadata" else []}}
    response = program.post(SEARCH, asked, format="json")
    assert response.status_code == 400
    assert name in response.json()["error"]["message"]
    assert "Leave it out" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", ['{"query": "a", "\\ud800": 1}', '{"query": "a", "filters": {"documents": ["\\ud800"]}}']
)
def test_a_refusal_that_repeats_half_a_surrogate_pair_can_be_sent(program: APIClient, body: str) -> None:
    assert program.post(SEARCH, body, content_type="application/json").status_code == 400


def test_a_search_is_laid_open_to_editors_alone(cast: Cast, program: APIClient) -> None:
    add_document(cast.project)
    asked = {"query": "May goods be returned?", "limit": 1, "explain": True, "wanted": "Norway"}
    body = program.post(SEARCH, asked, format="json").json()
    first, second = body["candidates"]
    assert first["passage"] == body["passages"][0]
    assert (first["dense_rank"], first["lexical_rank"], first["dropped"]) == (1, 1, "")
    assert first["fused"] > second["fused"]
    assert second["dropped"] == "Not among the best 1."
    assert {"embed", "search", "assemble"} <= set(body["stages"])
    assert "Norway" in body["report"]["passage"]["text"]
    assert body["report"]["reasons"]
    assert program_of(cast.bob, cast.project).post(SEARCH, asked, format="json").status_code == 403
    assert program.post(SEARCH, {**asked, "explain": False}, format="json").status_code == 400


# --- The playground's metadata -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("12", {"number.md", "text.md"}),
        ("12.0", {"number.md"}),
        ("true", {"yes.md"}),
        ("null", {"null.md"}),
        ("1.5", {"half.md"}),
        ("1e999", set()),
        ("[12]", set()),
        ("NaN", set()),
    ],
)
def test_the_playground_finds_numbers_and_booleans_as_they_are_typed(cast: Cast, typed: str, found: set[str]) -> None:
    held = {"number.md": 12, "text.md": "12", "yes.md": True, "null.md": None, "half.md": 1.5, "list.md": "other"}
    for name, value in held.items():
        document = add_document(cast.project, f"Goods may be returned, says {name}.", name)
        describe(document, metadata={"floor": value})
    page = browser_of(cast.alice).get("/projects/support/search/", {"q": "goods", "key": "floor", "value": typed})
    assert page.status_code == 200
    assert {line.candidate.passage.document for line in page.context["lines"]} == found
