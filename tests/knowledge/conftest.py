"""A clean knowledge room: no table of an earlier test, an embedder that can be watched, retrieval in one call."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from accounts.models import Project, User
from accounts.types import OPERATOR, Actor
from caching.embeddings import embed_texts
from knowledge import services
from knowledge.models import Document, EmbeddingSpace
from knowledge.retrieval import TOP
from knowledge.retrieval import search as search_passages
from knowledge.spaces import get_serving_embedder, space_id
from knowledge.tables import shared_table, space_table
from knowledge.types import Passage
from providers.registry import make_embedder
from tests.caching.conftest import dead_redis as dead_redis
from tests.caching.conftest import embedder as embedder
from tests.caching.conftest import embedder_server as embedder_server
from tests.conftest import HANDBOOK, Cast

BUNDLED = space_id(make_embedder("local", "all-MiniLM-L6-v2"))


@pytest.fixture(autouse=True)
def no_old_tables(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Tables of spaces and projects outlive their rows; without this they would pile up. The bundled embedder's space
    keeps its two, for the next test."""
    if "transactional_db" in request.fixturenames:
        request.getfixturevalue("transactional_db")
    yield
    if "transactional_db" in request.fixturenames:
        kept = space_table(BUNDLED)
        names = [name for name in tables() if name not in (kept, f"{kept}_shared")]
        if names:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE IF EXISTS {', '.join(names)}")


def tables() -> list[str]:
    """The tables of spaces and of projects in them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^vectors_' AND relkind IN ('r', 'p')")
        return sorted(name for (name,) in cursor.fetchall())


def indexes() -> dict[str, str]:
    """The HNSW indexes of grown projects, by name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE indexname ~ '^vectors_.*_(hnsw|half)$'")
        return dict(cursor.fetchall())


def shared() -> str:
    """The table that small projects share in the active space."""
    return shared_table(EmbeddingSpace.objects.get(status="active").id)


def upload(
    project: Project, text: str | bytes = HANDBOOK, name: str = "handbook.md", user: User | None = None
) -> tuple[Document, bool]:
    """Accept a file, and leave it in the queue."""
    content = text.encode() if isinstance(text, str) else text
    uploaded = services.upload(project=project, name=name, file=ContentFile(content, name=name), user=user)
    return uploaded.document, uploaded.is_new


def search(project: Project, question: str, actor: Actor = OPERATOR, limit: int = TOP) -> list[Passage]:
    """What a question finds, with the embedder in use."""
    embedder = get_serving_embedder()
    vector = embed_texts(embedder, [question])[0]
    return search_passages(actor, project.id, embedder, question, vector, limit=limit)


def found(project: Project, question: str = "goods", actor: Actor = OPERATOR) -> str:
    """The text of everything that can be found."""
    return "\n".join(passage.text for passage in search(project, question, actor, limit=50))


@pytest.fixture
def corpus_version(cast: Cast) -> Callable[[], int]:
    """The version of the project's documents, as it is now."""
    return lambda: Project.objects.get(id=cast.project.id).corpus_version
