"""knowledge/policy_api.py: how a project's documents are cut, for programs."""

from __future__ import annotations

import pytest

from knowledge.policies import get_policy
from tests.conftest import Cast, add_document
from tests.knowledge.test_api import program_of, session_of

CHUNKING = "/api/projects/support/chunking/"
PREVIEW = f"{CHUNKING}preview/"
APPLY = f"{CHUNKING}apply/"
LONG = "Customers may return goods within thirty days of delivery. " * 60
DEFAULTS = {"chunk_tokens": 220, "chunk_overlap": 24, "max_documents": 0, "max_megabytes": 0}
NOTHING = {"documents": 0, "chunks": 0, "tokens": 0, "dollars": 0.0}


def test_settings_are_read_and_changed_one_at_a_time(cast: Cast) -> None:
    program = program_of(cast.alice, cast.project)
    assert program.get(CHUNKING).json() == {**DEFAULTS, "estimate": NOTHING}
    changed = program.patch(CHUNKING, {"chunk_tokens": 100}, format="json")
    assert (changed.status_code, changed.json()["chunk_tokens"], changed.json()["chunk_overlap"]) == (200, 100, 24)
    assert get_policy(cast.project).chunk_tokens == 100


@pytest.mark.parametrize(
    "body", [{"chunk_tokens": 500}, {"chunk_overlap": 111}, {"chunk_tokens": "x"}, {"max_documents": -1}]
)
def test_what_cannot_be_is_refused(cast: Cast, body: dict[str, object]) -> None:
    refused = program_of(cast.alice, cast.project).patch(CHUNKING, body, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_input")
    assert next(iter(body)) in refused.json()["error"]["message"]
    assert get_policy(cast.project).chunk_tokens == 220


def test_a_preview_gives_both_ways_with_exact_places(cast: Cast) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    body = {"document": str(document.id), "chunk_tokens": 100, "chunk_overlap": 20, "first": 2}
    found = program_of(cast.alice, cast.project).post(PREVIEW, body, format="json").json()
    assert found["now"]["chunks"] == document.chunks.count()
    assert found["then"]["chunks"] == len(found["then"]["tokens"]) > found["now"]["chunks"]
    assert len(found["then"]["first"]) == 2
    for piece in found["then"]["first"]:
        assert LONG[piece["start"] : piece["end"]] == piece["text"]


def test_it_is_applied_to_all_documents(cast: Cast) -> None:
    add_document(cast.project, LONG, "long.txt")
    program = program_of(cast.alice, cast.project)
    program.patch(CHUNKING, {"chunk_tokens": 100}, format="json")
    assert program.get(CHUNKING).json()["estimate"]["documents"] == 1
    applied = program.post(APPLY)
    assert (applied.status_code, applied.json()) == (202, {"documents": 1})


def test_readers_strangers_and_foreign_documents_get_nothing(cast: Cast) -> None:
    document = add_document(cast.foreign, "The secret.", "secret.txt")
    body = {"document": str(document.id), "chunk_tokens": 100, "chunk_overlap": 20}
    assert session_of(cast.alice).post(PREVIEW, body, format="json").status_code == 404
    for user, status in [(cast.bob, 403), (cast.mallory, 404)]:
        session = session_of(user)
        assert session.get(CHUNKING).status_code == status
        assert session.patch(CHUNKING, {}, format="json").status_code == status
        assert session.post(PREVIEW, body, format="json").status_code == status
        assert session.post(APPLY).status_code == status
