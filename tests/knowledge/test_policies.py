"""knowledge/policies.py: how a project's documents are to be cut, and what another size would make of one."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from core.errors import InvalidInput
from knowledge.models import KnowledgePolicy
from knowledge.policies import change_policy, get_chunking, get_policy, preview, problems
from tests.conftest import Cast, add_document

LONG = "Customers may return goods within thirty days of delivery. " * 60
POLICY = {"chunk_tokens": 100, "chunk_overlap": 20, "max_documents": 0, "max_megabytes": 0}


def test_a_project_without_a_policy_has_the_defaults_and_no_row(cast: Cast) -> None:
    policy = get_policy(cast.project)
    assert (policy.chunk_tokens, policy.chunk_overlap, policy.max_documents, policy.max_megabytes) == (220, 24, 0, 0)
    assert not KnowledgePolicy.objects.exists()


def test_a_policy_is_stored_for_its_project_alone(cast: Cast) -> None:
    change_policy(cast.project, **{**POLICY, "max_documents": 7, "max_megabytes": 9})
    change_policy(cast.project, **{**POLICY, "max_documents": 8, "max_megabytes": 9})
    policy = get_policy(cast.project)
    assert (policy.chunk_tokens, policy.chunk_overlap, policy.max_documents, policy.max_megabytes) == (100, 20, 8, 9)
    assert get_policy(cast.foreign).chunk_tokens == 220


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("chunk_tokens", 49, "50 to 2,000"),
        ("chunk_tokens", 2_001, "50 to 2,000"),
        ("chunk_tokens", -(10**30), "50 to 2,000"),
        ("chunk_tokens", 221, "sees 256 tokens"),
        ("chunk_overlap", 51, "half of the chunk’s tokens, 50"),
        ("chunk_overlap", -1, "half of the chunk’s tokens, 50"),
        ("max_documents", -1, "0 to"),
        ("max_megabytes", 10**12, "0 to"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(cast: Cast, field: str, value: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        change_policy(cast.project, **{**POLICY, field: value})
    assert refused.value.message.startswith(f"{field}: ")
    assert not KnowledgePolicy.objects.exists()


def test_another_embedder_may_see_more_than_the_built_in_one(cast: Cast, settings: Settings) -> None:
    settings.EMBEDDINGS_ARE_LOCAL = False
    assert problems(chunk_tokens=2_000, chunk_overlap=1_000) == {}
    change_policy(cast.project, **{**POLICY, "chunk_tokens": 800, "chunk_overlap": 300})
    assert str(get_chunking(cast.project)).endswith("/800/300")
    settings.EMBEDDINGS_ARE_LOCAL = True
    assert str(get_chunking(cast.project)).endswith("/220/110"), "back on the built-in one, nothing goes unseen"


def test_new_documents_are_cut_as_the_project_wants(cast: Cast) -> None:
    change_policy(cast.project, **POLICY)
    document = add_document(cast.project, LONG, "long.txt")
    sizes = [chunk.metadata["tokens"] for chunk in document.chunks.all()]
    assert 50 < max(sizes) <= 100
    assert document.chunking == str(get_chunking(cast.project))


def test_a_preview_shows_now_and_then_and_changes_nothing(cast: Cast) -> None:
    document = add_document(cast.project, f"# Refunds\n\nShort.\n\n# More\n\n{LONG}", "long.md")
    before = list(document.chunks.order_by("position").values_list("id", "text"))
    found = preview(document, 100, 20, first=3)
    assert found.now.chunks == len(before)
    assert found.then.chunks > found.now.chunks
    assert max(found.then.tokens) <= 100 < max(found.now.tokens)
    assert found.unchanged == 1, "the short section is cut no otherwise"
    assert [piece.text for piece in found.now.first] == [text for _, text in before[:3]]
    assert len(found.then.first) == 3
    assert sum(found.then.shares(40)) == found.then.chunks
    assert found.then.median <= 100
    assert list(document.chunks.order_by("position").values_list("id", "text")) == before


def test_a_preview_of_todays_size_is_what_is_here(cast: Cast) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    found = preview(document, 220, 24)
    assert found.now == found.then
    assert found.unchanged == found.now.chunks


def test_a_preview_needs_no_file(cast: Cast) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    document.original.delete(save=False)
    assert preview(document, 100, 20).then.chunks > 1


def test_a_preview_that_cannot_be_made_says_why(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    with pytest.raises(InvalidInput, match="sees 256 tokens"):
        preview(document, 500, 20)
    monkeypatch.setattr("knowledge.policies.PREVIEWED", 1_000)
    with pytest.raises(InvalidInput, match="Choose a shorter document"):
        preview(document, 100, 20)
    document.parts.all().delete()
    with pytest.raises(InvalidInput, match="is not stored"):
        preview(document, 100, 20)
