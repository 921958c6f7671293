"""Migrations 0008 to 0010: the vectors of the one large table are in partitions afterwards, none is lost."""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from knowledge.models import ChunkEmbedding, EmbeddingSpace
from tests.caching.embedder import vector_of
from tests.knowledge.conftest import tables

ADD, FILL, TIGHTEN = (
    "0008_add_partitioned_embeddings",
    "0009_fill_partitioned_embeddings",
    "0010_tighten_partitioned_embeddings",
)
BEFORE = import_module(f"knowledge.migrations.{ADD}").Migration.dependencies


def migrate(*targets: tuple[str, str]) -> Any:  # Any: Django's historical models
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets))
    return MigrationExecutor(connection).loader.project_state(list(targets)).apps


@pytest.fixture
def before(transactional_db: None) -> Generator[Any, None, None]:
    """The tables as they were."""
    yield migrate(*BEFORE)
    call_command("migrate", verbosity=0)


def embed(apps: Any, project: Any, space: Any, count: int, version: int) -> None:  # Any: historical models
    document = apps.get_model("knowledge", "Document").objects.create(
        project=project, name=f"{uuid4()}.md", size=1, content_hash="", live_version=version, version=version
    )
    for position in range(count):
        chunk = apps.get_model("knowledge", "Chunk").objects.create(
            document=document, version=version, position=position, text="x", content_hash=""
        )
        apps.get_model("knowledge", "ChunkEmbedding").objects.create(
            chunk=chunk, space=space, project=project, embedding=vector_of(str(chunk.id))
        )


def test_vectors_are_kept_also_those_that_come_between_the_steps(before: Any) -> None:
    spaces = before.get_model("knowledge", "EmbeddingSpace").objects
    fields = {"provider": "local", "preprocessing": "name+headings/1", "dimensions": 8}
    space = spaces.create(model="all-MiniLM-L6-v2", **fields)
    newer = spaces.create(model="another", **fields)  # active as well, as it could be then
    project = before.get_model("accounts", "Project").objects.create(name="Old", slug="old")
    embed(before, project, space, 5, version=1)
    embed(before, project, newer, 2, version=1)
    old = before.get_model("knowledge", "ChunkEmbedding").objects
    known = {(row.chunk_id, row.space_id): list(row.embedding) for row in old.all()}

    apps = migrate(("knowledge", FILL))
    gone = old.first()
    del known[gone.chunk_id, gone.space_id]
    gone.delete()
    embed(before, project, space, 1, version=1)
    late = old.order_by("-id").first()
    known[late.chunk_id, late.space_id] = list(late.embedding)
    assert apps.get_model("knowledge", "EmbeddingSpace").objects.filter(status="active").count() == 1

    migrate(("knowledge", TIGHTEN))
    assert {(r.chunk_id, r.space_id): list(r.embedding) for r in ChunkEmbedding.objects.all()} == known
    assert tables() == sorted(f"vectors_{s.id.hex}{end}" for s in (space, newer) for end in ("", "_shared"))
    assert EmbeddingSpace.objects.get(status="active").model == "all-MiniLM-L6-v2"  # the environment's


def test_the_way_back_keeps_them_too(before: Any) -> None:
    spaces = before.get_model("knowledge", "EmbeddingSpace").objects
    space = spaces.create(model="m", provider="local", preprocessing="name+headings/1", dimensions=8)
    project = before.get_model("accounts", "Project").objects.create(name="Old", slug="old")
    embed(before, project, space, 3, version=1)
    migrate(("knowledge", TIGHTEN))
    assert ChunkEmbedding.objects.count() == 3
    apps = migrate(*BEFORE)
    assert apps.get_model("knowledge", "ChunkEmbedding").objects.count() == 3
    assert tables() == []
