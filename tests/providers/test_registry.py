"""providers/registry.py: the environment decides which model and which embedder."""

from __future__ import annotations

from pytest_django import Settings

from providers.extractive import ExtractiveModel
from providers.openai_compatible import OpenAIChatModel
from providers.registry import get_chat_model, get_embedder
from tests.upstream import MODEL, Upstream


def test_without_a_configured_model_the_documents_are_quoted() -> None:
    model = get_chat_model()
    assert isinstance(model, ExtractiveModel)
    assert (model.name, model.is_extractive) == ("extractive", True)


def test_a_configured_model_is_asked(upstream: Upstream) -> None:
    model = get_chat_model()
    assert isinstance(model, OpenAIChatModel)
    assert (model.name, model.is_extractive) == (MODEL, False)


def test_there_is_one_model_and_one_embedder_for_the_process(upstream: Upstream) -> None:
    assert get_chat_model() is get_chat_model()
    assert get_embedder() is get_embedder()


def test_the_bundled_embedder_is_the_default() -> None:
    assert (get_embedder().provider, get_embedder().model) == ("local", "all-MiniLM-L6-v2")


def test_an_embedder_of_ones_own_is_another_kind_of_vectors(settings: Settings) -> None:
    settings.EMBEDDING_BASE_URL, settings.EMBEDDINGS_ARE_LOCAL = "http://127.0.0.1:9/v1", False
    settings.EMBEDDING_MODEL = "all-MiniLM-L6-v2"
    another = get_embedder.__wrapped__()  # past the cache: the one of the process stays as it is
    assert another.identity == "http://127.0.0.1:9/v1|all-MiniLM-L6-v2"
    assert another.identity != get_embedder().identity
