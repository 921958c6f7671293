"""knowledge/spaces.py: one space for each way of making vectors, with an index of its own."""

from __future__ import annotations

import threading

import pytest
from pytest_django import Settings

from core.database import release
from core.errors import ProviderError, ProviderRefused
from knowledge import reembedding, retrieval
from knowledge.models import Chunk, EmbeddingSpace
from knowledge.spaces import PREPROCESSING, find_space, get_or_create_space, text_to_embed
from providers.registry import get_embedder
from tests.caching.conftest import forget_embedder
from tests.caching.embedder import EmbedderServer, vector_of
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found

pytestmark = pytest.mark.usefixtures("transactional_db")


def test_a_space_is_made_once_with_the_size_of_its_vectors(embedder: EmbedderServer) -> None:
    space = get_or_create_space(get_embedder())
    assert get_or_create_space(get_embedder()) == space
    assert (space.provider, space.model) == (embedder.base_url, "test-embedder")
    assert (space.dimensions, space.preprocessing, space.status) == (8, PREPROCESSING, "active")
    assert len(embedder.history) == 1


def test_the_bundled_embedder_has_384_dimensions() -> None:
    space = get_or_create_space(get_embedder())
    assert (space.provider, space.dimensions) == ("local", 384)


def test_looking_for_a_space_makes_none(embedder: EmbedderServer) -> None:
    assert find_space(get_embedder()) is None
    assert embedder.history == []


def test_another_model_at_the_same_address_has_another_space(embedder: EmbedderServer, settings: Settings) -> None:
    first = get_or_create_space(get_embedder())
    settings.EMBEDDING_MODEL = "another"
    forget_embedder()
    second = get_or_create_space(get_embedder())
    assert second != first
    assert (first.status, second.status) == ("active", "building")


def test_two_workers_that_need_a_new_space_at_once_make_one(embedder: EmbedderServer) -> None:
    spaces: list[EmbeddingSpace] = []

    def make() -> None:
        try:
            spaces.append(get_or_create_space(get_embedder()))
        finally:
            release()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spaces) == 4
    assert set(spaces) == set(EmbeddingSpace.objects.all())


def test_an_embedder_that_is_down_makes_no_space(embedder: EmbedderServer) -> None:
    embedder.fail(503)
    with pytest.raises(ProviderError):
        get_or_create_space(get_embedder())
    assert not EmbeddingSpace.objects.exists()


def test_a_chunk_is_embedded_under_its_name_title_and_headings() -> None:
    chunk = Chunk(text="Run it.", metadata={"title": "The guide", "heading_path": ["The guide", "Linux"]})
    assert text_to_embed("guide.md", chunk) == "guide.md\nThe guide\nLinux\nRun it."
    assert text_to_embed("guide.md", Chunk(text="Run it.")) == "guide.md\nRun it."


def test_rows_are_embedded_under_their_header_and_stored_without_it() -> None:
    chunk = Chunk(text="| Bolt | 3 |", metadata={"label": "Sheet Prices", "context": "| Item | Euro |\n|-|-|"})
    assert text_to_embed("list.csv", chunk) == "list.csv\nSheet Prices\n| Item | Euro |\n| Bolt | 3 |"
    assert chunk.shown == "| Item | Euro |\n|-|-|\n| Bolt | 3 |"


def test_an_embedder_that_changes_its_size_is_refused_with_the_way_out(cast: Cast, embedder: EmbedderServer) -> None:
    add_document(cast.project)
    embedder.dimensions = 16
    document = add_document(cast.project, "Another size.", "other.md")
    assert document.state == "failed"
    assert "gives 16 numbers where it gave 8 before" in document.error
    with pytest.raises(ProviderRefused, match="POLYAI_EMBEDDING_MODEL"):
        retrieval.search(cast.actor(cast.alice), cast.project.id, get_embedder(), "x", vector_of("x", 16))


def test_what_is_put_before_a_chunk_may_change_while_the_old_way_serves(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_document(cast.project)
    monkeypatch.setattr("knowledge.spaces.PREPROCESSING", "another/2")
    monkeypatch.setattr("tests.knowledge.conftest.BUNDLED", EmbeddingSpace.objects.get().id)
    reembedding.start(get_embedder())
    assert "30 days" in found(cast.project)
    EmbeddingSpace.objects.update(retry_at=None)
    for space in reembedding.list_unfinished():
        reembedding.build(space)
    assert EmbeddingSpace.objects.get(status="active").preprocessing == "another/2"
    assert "30 days" in found(cast.project)
