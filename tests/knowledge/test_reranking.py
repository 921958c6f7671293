"""providers/reranker.py and knowledge/reranking.py: the order of a reranker, and none where it fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project
from accounts.types import OPERATOR
from caching.embeddings import embed_question
from chat.inquiry import scope_of
from core.database import in_db
from knowledge.explanation import explain
from knowledge.retrieval import find
from providers.registry import get_chat_model, get_embedder, get_reranker
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import search

QUESTION = "May goods be returned?"


class RerankServer:
    """Likes what has the word `office`. `body` answers instead where it is set."""

    def __init__(self) -> None:
        self.history: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.body: bytes | None = None
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                """Quiet."""

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.history.append(asked)
                outer.keys.append(self.headers.get("Authorization", ""))
                scores = [
                    {"index": n, "relevance_score": float("office" in text)}
                    for n, text in enumerate(asked["documents"])
                ]
                body = outer.body or json.dumps({"results": scores[::-1]}).encode()
                self.send_response(outer.status if self.path == "/v1/rerank" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def reranker(settings: Settings) -> Generator[RerankServer, None, None]:
    server = RerankServer()
    settings.RERANK_BASE_URL, settings.RERANK_MODEL, settings.RERANK_API_KEY = server.url, "ranker", "key"
    get_reranker.cache_clear()
    yield server
    made = get_reranker()
    if made is not None:
        made._sync_client.close()
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def project(cast: Cast) -> Project:
    add_document(cast.project, "Goods may be returned within 30 days.", "refunds.md")
    add_document(cast.project, "The office in Bergen has a kitchen.", "office.md")
    return cast.project


def test_passages_come_in_the_order_of_the_reranker(project: Project, reranker: RerankServer) -> None:
    assert [passage.document for passage in search(project, QUESTION)] == ["office.md", "refunds.md"]
    (asked,) = reranker.history
    assert (asked["model"], asked["query"], asked["top_n"], reranker.keys) == ("ranker", QUESTION, 2, ["Bearer key"])


def test_the_reranker_decides_what_is_among_the_best_but_not_over_an_identifier(
    project: Project, reranker: RerankServer
) -> None:
    assert [passage.document for passage in search(project, QUESTION, limit=1)] == ["office.md"]
    add_document(project, "ERR-4012: the pump stopped.", "pump.md")
    assert search(project, "ERR-4012 in the office")[0].document == "pump.md"


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (200, b"{}"), (200, b"no JSON"), (200, b'{"results": [{"index": 0, "relevance_score": 1}]}')],
)
async def test_a_reranker_that_fails_is_done_without_and_noted(
    cast: Cast, project: Project, reranker: RerankServer, status: int, body: bytes | None
) -> None:
    reranker.status, reranker.body = status, body
    faults: set[str] = set()
    vector = await embed_question(get_embedder(), QUESTION)
    found = await find(cast.actor(cast.alice), project.id, get_embedder(), QUESTION, vector, faults)
    assert [passage.document for passage in found] == ["refunds.md", "office.md"]
    assert faults == {"reranker"}
    assert (await in_db(search)(project, QUESTION))[0].document == "refunds.md"


def test_the_scores_are_laid_open(project: Project, reranker: RerankServer) -> None:
    told = explain(OPERATOR, project.id, get_embedder(), QUESTION, None)
    assert {candidate.passage.document: candidate.reranked for candidate in told.candidates} == {"refunds.md": 0.0}
    assert "rerank" in told.stages


def test_another_reranker_is_another_scope(cast: Cast, project: Project, reranker: RerankServer) -> None:
    with_one = scope_of(project.id, get_chat_model(), get_embedder())
    made = get_reranker()
    assert made is not None
    made._sync_client.close()
    assert made.identity in with_one.embedding
