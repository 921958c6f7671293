"""knowledge/api.py: documents and search for programs."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import ApiKey, Membership, Project, User
from accounts.services import create_api_key
from knowledge.models import Document
from tests.caching.embedder import EmbedderServer
from tests.conftest import HANDBOOK, Cast, add_document
from tests.knowledge.conftest import found, upload

DOCUMENTS = "/api/projects/support/documents/"
SEARCH = "/api/projects/support/search/"


def program_of(user: User, project: Project) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_key(user=user, project=project)}")
    return client


def session_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


# Any: a test's response, with `json()`
def send(client: APIClient, name: str = "handbook.md", content: bytes = HANDBOOK.encode()) -> Any:
    return client.post(DOCUMENTS, {"file": SimpleUploadedFile(name, content)})


@pytest.fixture
def program(cast: Cast) -> APIClient:
    """Alice's, with a key for the project."""
    return program_of(cast.alice, cast.project)


def test_an_upload_is_created_and_described(cast: Cast, program: APIClient) -> None:
    response = send(program)
    document = Document.objects.get()
    assert response.status_code == 201
    assert {"id", "name", "kind", "size", "state", "error", "tags", "metadata", "same_as"} <= set(response.json())
    assert (response.json()["id"], response.json()["state"]) == (str(document.id), "queued")
    assert response.json()["same_as"] == []
    assert send(program, "copy.md").json()["same_as"] == ["handbook.md"]
    assert (document.uploaded_by, document.project) == (cast.alice, cast.project)


def test_the_same_file_again_is_no_creation(program: APIClient) -> None:
    first, again = send(program), send(program)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("a.exe", b"MZ", 415, "unsupported_file"),
        ("a.md", b"", 422, "unreadable_file"),
        ("a.md", b"x" * (1024 * 1024 + 1), 413, "too_long"),
    ],
    ids=["unknown kind", "empty", "too large"],
)
def test_a_file_that_cannot_be_used_has_its_status_and_reason(
    program: APIClient, settings: Settings, name: str, content: bytes, status: int, code: str
) -> None:
    settings.MAX_UPLOAD_MB = 1
    response = send(program, name, content)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.json()["error"]["message"].endswith(".")
    assert not Document.objects.exists()


def test_an_upload_without_a_file_is_bad_input(program: APIClient) -> None:
    for body in ({}, {"file": "not a file"}):
        response = program.post(DOCUMENTS, body, format="multipart")
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")
        assert response.json()["error"]["message"].startswith("file:")


def test_a_body_of_another_kind_is_refused(program: APIClient) -> None:
    assert program.post(DOCUMENTS, {"file": "x"}, format="json").status_code == 415


def test_documents_are_listed_newest_first_in_pages(cast: Cast, program: APIClient) -> None:
    for number in range(3):
        upload(cast.project, name=f"{number}.md")
    page = program.get(DOCUMENTS, {"limit": 2}).json()
    assert page["count"] == 3
    assert [document["name"] for document in page["results"]] == ["2.md", "1.md"]
    rest = program.get(page["next"]).json()
    assert [document["name"] for document in rest["results"]] == ["0.md"]


def test_one_document_shows_its_state_and_reason(cast: Cast, program: APIClient) -> None:
    document = add_document(cast.project, b"broken\x00")
    body = program.get(f"{DOCUMENTS}{document.id}/").json()
    assert body["state"] == "failed"
    assert "NUL bytes" in body["error"]


def test_a_deleted_document_is_gone(cast: Cast, program: APIClient) -> None:
    document = add_document(cast.project)
    assert program.delete(f"{DOCUMENTS}{document.id}/").status_code == 204
    assert program.get(f"{DOCUMENTS}{document.id}/").status_code == 404
    assert program.delete(f"{DOCUMENTS}{document.id}/").status_code == 404
    assert found(cast.project) == ""


def test_a_search_returns_the_nearest_passages(cast: Cast, program: APIClient) -> None:
    document = add_document(cast.project)
    add_document(cast.project, "The office in Bergen has a kitchen.", "office.md")
    response = program.post(SEARCH, {"query": "In how many days can goods be returned?", "limit": 1}, format="json")
    assert response.status_code == 200
    (passage,) = response.json()
    assert set(passage) == {"chunk_id", "document_id", "document", "locator", "text", "similarity", "chunk_ids"}
    assert (passage["document_id"], passage["document"]) == (str(document.id), "handbook.md")
    assert "30 days" in passage["text"]
    assert passage["similarity"] > 0.3


def test_an_empty_project_has_nothing_to_find(cast: Cast, program: APIClient) -> None:
    assert program.post(SEARCH, {"query": "refunds"}, format="json").json() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": " \n "},
        {"query": "x" * 8_001},
        {"query": "a\x00b"},
        {"query": ["a"]},
        {"query": "a", "limit": 0},
        {"query": "a", "limit": 51},
        {"query": "a", "limit": "many"},
    ],
)
def test_a_search_that_cannot_be_made_is_bad_input(cast: Cast, program: APIClient, body: dict[str, object]) -> None:
    response = program.post(SEARCH, body, format="json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("body", ["{not json", '{"query": "a\\ud800b"}', "[]", "\xff"])
def test_a_body_that_is_not_json_of_a_query_is_bad_input(program: APIClient, body: str) -> None:
    response = program.post(SEARCH, body.encode("latin-1"), content_type="application/json")
    assert response.status_code == 400
    assert set(response.json()) == {"error"}


@pytest.mark.parametrize("status", [503, 429, 401])
def test_a_search_goes_by_words_while_the_embedder_fails_and_says_so(
    cast: Cast, program: APIClient, embedder: EmbedderServer, status: int
) -> None:
    add_document(cast.project)
    whole = program.post(SEARCH, {"query": "Can goods be returned?"}, format="json")
    embedder.fail(status)
    response = program.post(SEARCH, {"query": "How may goods be returned?"}, format="json")
    assert (whole.status_code, whole["X-PolyAI-Search"]) == (200, "meaning, words")
    assert (response.status_code, response["X-PolyAI-Search"]) == (200, "words")
    assert response.json()[0]["chunk_id"] == whole.json()[0]["chunk_id"]


def test_a_search_works_without_redis(cast: Cast, program: APIClient, request: pytest.FixtureRequest) -> None:
    add_document(cast.project)
    request.getfixturevalue("dead_redis")
    response = program.post(SEARCH, {"query": "refunds"}, format="json")
    assert response.status_code == 200
    assert b"30 days" in response.content


# --- Who may not --------------------------------------------------------------------------------


def test_a_session_works_like_a_key(cast: Cast) -> None:
    assert send(session_of(cast.alice)).status_code == 201


def test_a_viewer_may_read_and_search_and_change_nothing(cast: Cast) -> None:
    document = add_document(cast.project)
    for client in (session_of(cast.bob), program_of(cast.bob, cast.project)):
        assert client.get(DOCUMENTS).json()["count"] == 1
        assert client.get(f"{DOCUMENTS}{document.id}/").status_code == 200
        assert client.post(SEARCH, {"query": "refunds"}, format="json").status_code == 200
        for response in (send(client, "new.md"), client.delete(f"{DOCUMENTS}{document.id}/")):
            assert (response.status_code, response.json()["error"]["code"]) == (403, "not_allowed")
    assert list(Document.objects.all()) == [document]


@pytest.mark.parametrize("slug", ["support", "secret"])
@pytest.mark.parametrize("kind", ["session", "key"])
def test_to_mallory_no_document_of_another_project_exists_at_any_address(cast: Cast, slug: str, kind: str) -> None:
    document = add_document(cast.project, HANDBOOK, "top-secret.md")
    client = session_of(cast.mallory) if kind == "session" else program_of(cast.mallory, cast.foreign)
    base = f"/api/projects/{slug}/documents/"
    for method in ("get", "delete"):
        response = getattr(client, method)(f"{base}{document.id}/")
        nothing = getattr(client, method)(f"{base}{uuid.uuid4()}/")
        assert (response.status_code, response.json()) == (404, nothing.json())
    assert Document.objects.get() == document


def test_to_mallory_the_project_itself_does_not_exist(cast: Cast) -> None:
    add_document(cast.project)
    for client in (session_of(cast.mallory), program_of(cast.mallory, cast.foreign)):
        responses = [client.get(DOCUMENTS), send(client), client.post(SEARCH, {"query": "refunds"}, format="json")]
        assert [response.status_code for response in responses] == [404, 404, 404]
        assert all(b"30 days" not in response.content for response in responses)
    assert Document.objects.count() == 1


def test_mallorys_own_search_finds_nothing_of_another_project(cast: Cast) -> None:
    add_document(cast.project)
    response = session_of(cast.mallory).post("/api/projects/secret/search/", {"query": "refunds"}, format="json")
    assert (response.status_code, response.json()) == (200, [])


def test_a_key_opens_its_own_project_alone(cast: Cast) -> None:
    Membership.objects.create(project=cast.foreign, user=cast.alice, role="owner")
    add_document(cast.foreign, "The secret is 42.", "secret.md")
    program = program_of(cast.alice, cast.project)
    assert program.get("/api/projects/secret/documents/").status_code == 404
    assert program.post("/api/projects/secret/search/", {"query": "secret"}, format="json").status_code == 404


@pytest.mark.parametrize("credentials", [None, "Bearer", "Bearer sk-wrong", "revoked", "switched off"])
def test_without_a_valid_key_nothing_is_said(cast: Cast, program: APIClient, credentials: str | None) -> None:
    if credentials == "revoked":
        ApiKey.objects.update(revoked_at=timezone.now())
    elif credentials == "switched off":
        User.objects.update(is_active=False)
    else:
        program.credentials(**{"HTTP_AUTHORIZATION": credentials} if credentials else {})
    add_document(cast.project)
    for response in (program.get(DOCUMENTS), send(program), program.post(SEARCH, {"query": "goods"}, format="json")):
        assert response.status_code == 401
        assert set(response.json()) == {"error"}
        assert b"30 days" not in response.content


@pytest.mark.parametrize("identity", ["x", "1", "00000000", "../etc", "%00"])
def test_what_is_not_an_id_is_not_found(program: APIClient, identity: str) -> None:
    assert program.get(f"{DOCUMENTS}{identity}/").status_code == 404


def test_a_search_may_be_filtered(cast: Cast, program: APIClient) -> None:
    add_document(cast.project, "Goods may be returned.", "a.md")
    add_document(cast.project, "Goods may be returned in a shop.", "b.txt")
    for filters, names in [({"kinds": [".MD"]}, {"a.md"}), ({"tags": ["x"]}, set()), ({}, {"a.md", "b.txt"})]:
        found = program.post(SEARCH, {"query": "returned goods", "filters": filters}, format="json")
        assert found.status_code == 200, found.json()
        assert {passage["document"] for passage in found.json()} == names


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"filters": {"tag": ["x"]}}, "'tag'"),
        ({"filter": {}}, "'filter'"),
        ({"filters": {"since": "soon"}}, "since"),
        ({"filters": {"documents": ["x"]}}, "documents"),
        ({"filters": []}, "filters"),
    ],
)
def test_a_filter_that_nobody_knows_is_refused_by_its_name(
    cast: Cast, program: APIClient, body: dict[str, object], word: str
) -> None:
    response = program.post(SEARCH, {"query": "goods", **body}, format="json")
    assert response.status_code == 400
    assert word in response.json()["error"]["message"]


def test_documents_are_listed_by_state_kind_tag_and_words(cast: Cast, program: APIClient) -> None:
    add_document(cast.project)
    add_document(cast.project, b"broken\x00", "broken.md")
    plain = add_document(cast.project, "Text.", "plain.txt")
    program.patch(f"{DOCUMENTS}{plain.id}/", {"tags": ["Legal"], "metadata": {"year": 2026}}, format="json")

    def listed(query: str) -> list[str]:
        return [document["name"] for document in program.get(f"{DOCUMENTS}?{query}").json()["results"]]

    assert listed("state=failed") == listed("search=NUL") == ["broken.md"]
    assert listed("kind=txt") == listed("tag=Legal") == ["plain.txt"]
    assert listed("ordering=name") == ["broken.md", "handbook.md", "plain.txt"]
    assert listed("state=unfinished") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("state=zz", "state: 'zz' is not known; it is one of unfinished, queued"),
        ("kind=exe", "kind: 'exe' is not known; it is one of "),
        ("ordering=size", "ordering: 'size' is not known; it is one of newest"),
        ("limit=many", "limit: "),
        ("limit=1000000000000000000000", "limit: "),
        ("offset=-1", "offset: "),
        ("sort=name", "There is no field 'sort' here; known are state, kind, tag, search, ordering"),
    ],
)
def test_a_list_that_nobody_can_make_is_refused(program: APIClient, query: str, told: str) -> None:
    response = program.get(f"{DOCUMENTS}?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")
    assert response.json()["error"]["message"].startswith(told)


def test_a_parameter_without_a_value_counts_as_not_said(cast: Cast, program: APIClient) -> None:
    upload(cast.project)
    assert program.get(f"{DOCUMENTS}?state=&kind=.MD&ordering=&limit=1&offset=0").json()["count"] == 1


def test_a_document_is_described_retried_and_cancelled(cast: Cast, program: APIClient) -> None:
    document = add_document(cast.project, b"broken\x00", "broken.md")
    address = f"{DOCUMENTS}{document.id}/"
    body = program.patch(address, {"tags": [" Legal ", "Legal"], "metadata": {"year": 2026}}, format="json").json()
    assert (body["tags"], body["metadata"]) == (["Legal"], {"year": 2026})
    assert program.patch(address, {"tags": []}, format="json").json()["metadata"] == {"year": 2026}
    assert program.patch(address, {"metadata": {"a": [1]}}, format="json").status_code == 400
    assert program.post(f"{address}retry/").json()["state"] == "queued"
    assert program.post(f"{address}cancel/").json()["state"] == "cancelled"


def test_many_documents_are_changed_by_one_request(cast: Cast, program: APIClient) -> None:
    documents = [add_document(cast.project, f"Text {n}.", f"{n}.md") for n in range(2)]
    secret = add_document(cast.foreign, "The secret is 42.", "secret.md")
    ids = [str(document.id) for document in [*documents, secret]]
    body = program.post(f"{DOCUMENTS}bulk/", {"action": "add-tags", "documents": ids, "tags": ["a"]}, format="json")
    assert body.json() == {"count": 2, "message": "2 documents tagged a."}
    assert program.post(f"{DOCUMENTS}bulk/", {"action": "delete", "documents": ids}, format="json").json()["count"] == 2
    assert list(Document.objects.all()) == [secret]
    assert program.post(f"{DOCUMENTS}bulk/", {"action": "burn", "documents": ids}, format="json").status_code == 400


def test_a_viewers_key_changes_nothing(cast: Cast) -> None:
    document = add_document(cast.project)
    viewer = program_of(cast.bob, cast.project)
    address = f"{DOCUMENTS}{document.id}/"
    asked = [
        viewer.patch(address, {"tags": ["a"]}, format="json"),
        viewer.post(f"{address}retry/"),
        viewer.post(f"{address}cancel/"),
        viewer.post(f"{DOCUMENTS}bulk/", {"action": "delete", "documents": [str(document.id)]}, format="json"),
    ]
    assert {response.status_code for response in asked} == {403}
    assert Document.objects.get().state == "ready"
