"""knowledge/search_api.py and what documents are filtered by, for programs."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from knowledge.models import Document
from tests.conftest import Cast
from tests.knowledge.conftest import upload
from tests.knowledge.test_api import DOCUMENTS, SEARCH
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
