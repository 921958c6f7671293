from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.services import create_api_key
from knowledge.models import Document
from tests.conftest import Cast, add_document
from tests.upstream import Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture
def document(cast: Cast) -> Document:
    return add_document(cast.project)


@pytest.fixture
def client(cast: Cast) -> APIClient:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_key(user=cast.alice, project=cast.project)}")
    return api


def ask(client: APIClient, text: str = REFUND, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"project": "support", "question": text, **fields}
    return client.post("/api/ask/", body, format="json", headers=headers or {})


def test_an_answer_comes_with_sources_cache_facts_and_stages(
    client: APIClient, document: Document, upstream: Upstream
) -> None:
    response = ask(client)
    assert response.status_code == 200
    assert response.json()["answer"] == "The documents say so [1]."
    assert response.json()["sources"][0]["document"] == "handbook.md"
    nothing = {"similarity": None, "age": None, "question": None, "error_bound": None, "entry": None}
    assert response.json()["cache"] == {"status": "miss", "approved": False, **nothing}
    assert response.json()["model"] == "test-model"
    assert response.json()["stages"]["embed"] > 0
    assert response["X-PolyAI-Cache"] == "miss"
    again = ask(client)
    assert again["X-PolyAI-Cache"] == "hit-exact"
    assert int(again["Age"]) >= 0
    assert again.json()["sources"] == response.json()["sources"]


@pytest.mark.parametrize("how", ["field", "header"])
def test_fresh_and_no_cache_pass_the_cache_by(
    client: APIClient, document: Document, upstream: Upstream, how: str
) -> None:
    ask(client)
    fresh = ask(client, fresh=True) if how == "field" else ask(client, headers={"Cache-Control": "no-cache"})
    assert fresh["X-PolyAI-Cache"] == "bypass"
    assert len(upstream.history) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"project": "support", "question": ""}, 400, "invalid_input"),
        ({"project": "support", "question": "x" * 20_000}, 413, "too_long"),
        ({"project": "support", "question": "a\x00b"}, 400, "invalid_input"),
        ({"project": "support"}, 400, "invalid_input"),
        ({"question": "x"}, 400, "invalid_input"),
        ({"project": "secret", "question": REFUND}, 404, "not_found"),
        ({"project": "nowhere", "question": REFUND}, 404, "not_found"),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_shape(
    client: APIClient, document: Document, body: dict[str, str], status: int, code: str
) -> None:
    response = client.post("/api/ask/", body, format="json")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"]


def test_a_body_that_is_no_json_is_told(client: APIClient) -> None:
    response = client.post("/api/ask/", b"{broken", content_type="application/json")
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"code", "message"}


def test_a_failing_model_is_its_own_status(client: APIClient, document: Document, upstream: Upstream) -> None:
    upstream.enqueue(status=500)
    response = ask(client)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "provider_unreachable")
    assert "Retry-After" not in response.headers


def test_a_limit_of_the_model_says_when_it_frees(client: APIClient, document: Document, upstream: Upstream) -> None:
    upstream.enqueue(status=429, retry_after=30)
    response = ask(client)
    assert response.headers["Retry-After"] == "30"
    assert response.json()["error"]["message"].endswith("Try again in 30 seconds.")


def test_a_key_reaches_its_project_and_no_other(cast: Cast, document: Document) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_key(user=cast.mallory, project=cast.foreign)}")
    assert ask(api).status_code == 404
    assert ask(APIClient()).status_code == 401


def test_the_schema_describes_every_endpoint(client: APIClient) -> None:
    response = client.get("/api/schema/", HTTP_ACCEPT="application/json")
    paths = response.json()["paths"]
    assert set(paths) == {
        "/api/ask/",
        "/api/conversations/",
        "/api/conversations/search/",
        "/api/conversations/{conversation_id}/",
        "/api/projects/",
        "/api/projects/{slug}/",
        "/api/projects/{slug}/cache/",
        "/api/projects/{slug}/cache/calculator/",
        "/api/projects/{slug}/cache/entries/",
        "/api/projects/{slug}/cache/entries/{id}/",
        "/api/projects/{slug}/cache/entries/{id}/approve/",
        "/api/projects/{slug}/cache/entries/{id}/withdraw/",
        "/api/projects/{slug}/cache/flush/",
        "/api/projects/{slug}/cache/what-if/",
        "/api/projects/{slug}/documents/",
        "/api/projects/{slug}/chunking/",
        "/api/projects/{slug}/chunking/apply/",
        "/api/projects/{slug}/chunking/preview/",
        "/api/projects/{slug}/documents/bulk/",
        "/api/projects/{slug}/documents/{id}/",
        "/api/projects/{slug}/documents/{id}/cancel/",
        "/api/projects/{slug}/documents/{id}/retry/",
        "/api/projects/{slug}/search/",
        "/api/projects/{slug}/sources/",
        "/api/projects/{slug}/sources/{id}/",
        "/api/projects/{slug}/sources/{id}/pages/",
        "/api/projects/{slug}/sources/{id}/refresh/",
    }
    assert client.get("/api/docs/").status_code == 200


def test_a_conversation_can_be_gone_on_with(client: APIClient, document: Document, upstream: Upstream) -> None:
    first = ask(client).json()
    ask(client, "And for them?", conversation=first["conversation"])
    said = [message["content"] for message in upstream.history[1]["messages"][1:]]
    assert said == [REFUND, "The documents say so [1].", "And for them?"]


def test_a_body_nested_without_end_is_told(client: APIClient) -> None:
    response = client.post("/api/ask/", b"[" * 100_000, content_type="application/json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")
