"""knowledge/space_admin.py: what an operator sees of embedding spaces, and does with them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from knowledge import reembedding
from knowledge.models import EmbeddingSpace
from knowledge.spaces import find_active
from providers.registry import get_embedder
from tests.caching.embedder import EmbedderServer
from tests.conftest import PASSWORD, Cast, add_document, browser_of

ADMIN = "/admin/knowledge/embeddingspace/"


@pytest.fixture
def operator(cast: Cast) -> Client:
    return browser_of(User.objects.create_superuser("operator@example.org", PASSWORD))


@pytest.fixture
def changed(cast: Cast, request: pytest.FixtureRequest) -> EmbedderServer:
    """A document that the bundled embedder has embedded, and an environment that names another."""
    add_document(cast.project)
    server = request.getfixturevalue("embedder")
    assert isinstance(server, EmbedderServer)
    return server


def act(browser: Client, name: str, space: EmbeddingSpace) -> str:
    body = {"action": name, "_selected_action": [str(space.id)]}
    return browser.post(ADMIN, body, follow=True).content.decode()


def test_the_list_says_how_far_each_space_is(operator: Client, changed: EmbedderServer) -> None:
    reembedding.start(get_embedder())
    page = operator.get(ADMIN).content.decode()
    assert "all-MiniLM-L6-v2" in page
    assert "Building" in page
    assert "0 of 2 (0 %)" in page
    assert "KB" in page
    assert operator.get(f"{ADMIN}{EmbeddingSpace.objects.all()[0].id}/change/").status_code == 200


def test_re_embedding_is_estimated_first_and_then_started(operator: Client, changed: EmbedderServer) -> None:
    page = operator.get(f"{ADMIN}add/").content.decode()
    assert changed.base_url in page
    assert "_start" not in page
    asked = {"model": "test-embedder", "base_url": changed.base_url, "dimensions": 0, "precision": "half"}
    page = operator.post(f"{ADMIN}add/", {**asked, "_estimate": ""}).content.decode()
    assert "2 chunks, about" in page
    assert EmbeddingSpace.objects.count() == 1
    operator.post(f"{ADMIN}add/", {**asked, "_start": ""})
    space = EmbeddingSpace.objects.get(status="building")
    assert (space.model, space.precision) == ("test-embedder", "half")


def test_an_embedder_that_does_not_answer_is_told(operator: Client, changed: EmbedderServer) -> None:
    asked = {"model": "gone", "base_url": "http://127.0.0.1:9/v1", "dimensions": 0, "precision": "full"}
    page = operator.post(f"{ADMIN}add/", {**asked, "_estimate": ""}).content.decode()
    assert "cannot be reached" in page
    assert EmbeddingSpace.objects.count() == 1


def test_a_space_is_switched_to_and_dropped(operator: Client, changed: EmbedderServer) -> None:
    old = find_active()
    assert old is not None
    new = reembedding.start(get_embedder())
    assert "chunks have no vector" in act(operator, "switch_to", new)
    reembedding.build(new)
    assert find_active() == new
    assert "is the active embedding space" in act(operator, "drop_vectors", new)
    assert "answers from now on" in act(operator, "switch_to", old)
    assert find_active() == old
    assert "its vectors are gone" in act(operator, "drop_vectors", new)
    assert list(EmbeddingSpace.objects.all()) == [old]


def test_who_may_only_look_does_nothing(changed: EmbedderServer) -> None:
    new = reembedding.start(get_embedder())
    staff = User.objects.create_user("staff@example.org", PASSWORD, is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_embeddingspace"))
    browser = browser_of(staff)
    assert browser.get(ADMIN).status_code == 200
    act(browser, "drop_vectors", new)
    assert EmbeddingSpace.objects.count() == 2
    assert browser.get(f"{ADMIN}add/").status_code == 403
