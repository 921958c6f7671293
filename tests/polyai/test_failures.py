"""Each part of the running product is taken away or damaged: questions are answered, health names it, it is counted."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import psycopg
import pytest
import redis

from tests.conftest import HANDBOOK, PASSWORD
from tests.product import Product
from tests.upstream import Reply, Upstream

pytestmark = pytest.mark.product

REFUND = "How many days do customers have to return goods?"
AGAIN = "How many days do the customers have to return goods?"
EXPRESS = "What does express shipping cost in euros?"
NORWAY = "How many days do parcels to Norway take?"
CARD = "To which card is the refund of a customer paid?"
INDEX = "cache_entry_hnsw_384"


class Site:
    """The product with a project, a key for it, and hands on its stores."""

    def __init__(self, product: Product, key: str) -> None:
        self.product = product
        self._headers = {"Authorization": f"Bearer {key}"}

    def ask(self, question: str, *, status: int = 200, **fields: bool) -> dict[str, Any]:
        asked = {"project": "shop", "question": question, **fields}
        response = httpx2.post(f"{self.product.url}/api/ask/", json=asked, headers=self._headers, timeout=30)
        assert response.status_code == status, response.text
        body: dict[str, Any] = response.json()
        return body

    def status(self, question: str, **fields: bool) -> str:
        answer = self.ask(question, **fields)
        assert answer["answer"]
        return str(answer["cache"]["status"])

    def health(self) -> dict[str, Any]:
        response = httpx2.get(f"{self.product.url}/health/ready", timeout=10)
        body: dict[str, Any] = response.json()
        assert response.status_code == (503 if body["status"] == "down" else 200)
        return body

    def sql(self, statement: str) -> list[Any]:  # Any: rows
        with psycopg.connect(host=str(self.product.run_folder), user="postgres", dbname="polyai") as link:
            link.autocommit = True
            done = link.execute(statement)
            return done.fetchall() if done.description else []

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.product.run_folder / "redis.sock"), socket_timeout=5)

    def figure(self, name: str) -> int:
        return int(self.sql(f"SELECT coalesce(sum(value), 0) FROM caching_ledgercount WHERE name = '{name}'")[0][0])

    def wait_until(self, check: object, what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not check():  # type: ignore[operator]
            assert time.monotonic() < deadline, (what, self.health(), self.product.log)
            time.sleep(0.1)

    def wait_until_counted(self, name: str, before: int) -> None:
        """The ledger is flushed every five seconds, once all parts are back."""
        self.wait_until(lambda: self.figure(name) > before, name)

    def wait_until_healthy(self) -> None:
        self.wait_until(lambda: self.health()["status"] == "ok", "all parts are ok")


@pytest.fixture(scope="module")
def site(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Site:
    product.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    handbook = tmp_path_factory.mktemp("failures") / "handbook.md"
    handbook.write_text(HANDBOOK)
    product.manage("ingest", str(handbook), "--project", "shop")
    product.manage("createsuperuser", "--noinput", "--email", "alice@example.org")
    return Site(
        product, product.manage("create_key", "--project", "shop", "--user", "alice@example.org").stdout.strip()
    )


@pytest.fixture(autouse=True)
def warm(site: Site, upstream_server: Upstream) -> None:
    """Everything is up, and REFUND is in every layer."""
    upstream_server.reset()
    upstream_server.default = Reply(text="They have 30 days [1].")
    site.wait_until_healthy()
    site.ask(REFUND, fresh=True)
    assert site.status(REFUND) == "hit-exact"


def took(site: Site, question: str) -> tuple[str, float]:
    began = time.monotonic()
    return site.status(question), time.monotonic() - began


def test_redis_killed(site: Site, upstream_server: Upstream) -> None:
    faults = site.figure("fault:redis")
    with site.product.unsupervised():
        site.product.part("redis").kill()
        assert site.status(REFUND) == "hit-exact"  # from PostgreSQL, which has it too
        assert site.status(AGAIN) == "hit-semantic"
        assert site.status(EXPRESS) == "miss"
        assert site.status(EXPRESS) == "hit-exact"
        assert site.status(REFUND, store=False) == "hit-exact"
        health = site.health()
        assert (health["status"], health["parts"]["redis"]) == ("degraded", "down")
        assert health["parts"]["database"] == "ok"
    site.wait_until_counted("fault:redis", faults)
    assert len(upstream_server.history) <= 2  # EXPRESS, and REFUND if it was not there before


def test_redis_that_hangs_costs_its_budgets_and_no_more(site: Site) -> None:
    faults = site.figure("fault:redis")
    part = site.product.part("redis")
    part.suspend()
    try:
        for question, expected in ((NORWAY, "miss"), (REFUND, "hit-exact"), (AGAIN, "hit-semantic")):
            status, seconds = took(site, question)
            assert status == expected
            assert seconds < 3
        health = site.health()
        assert (health["status"], health["parts"]["redis"]) == ("degraded", "down")
    finally:
        part.resume()
    site.wait_until_counted("fault:redis", faults)


def test_redis_that_is_full(site: Site) -> None:
    faults = site.figure("fault:redis")
    client = site.redis
    before = client.config_get("maxmemory")["maxmemory"] or "0"
    client.config_set("maxmemory", "1mb")
    try:
        assert site.status(CARD) == "miss"
        assert site.status(CARD) == "hit-exact"
        assert site.status(REFUND) == "hit-exact"
        health = site.health()
        assert (health["status"], health["parts"]["redis"]) == ("degraded", "degraded")
    finally:
        client.config_set("maxmemory", before)
        client.close()
    site.wait_until_counted("fault:redis", faults)


def test_the_embedder_killed(site: Site) -> None:
    faults = site.figure("fault:embedder")
    with site.product.unsupervised():
        site.product.part("embeddings").kill()
        assert site.status(REFUND) == "hit-exact"
        answer = site.ask("Who pays for the shipping of parcels?")
        assert answer["cache"]["status"] == "miss"
        assert any("Parcels" in source["text"] for source in answer["sources"])
        health = site.health()
        assert (health["status"], health["parts"]["embeddings"]) == ("degraded", "down")
    site.wait_until_counted("fault:embedder", faults)


def test_the_index_of_the_semantic_cache_dropped(site: Site) -> None:
    assert site.sql(f"SELECT 1 FROM pg_class WHERE relname = '{INDEX}'")
    worker = site.product.part("worker")
    worker.suspend()  # who would make it again
    try:
        site.sql(f"DROP INDEX {INDEX}")
        assert site.status(AGAIN) == "hit-semantic"
        health = site.health()
        assert (health["status"], health["parts"]["semantic_cache"]) == ("degraded", "degraded")
    finally:
        worker.resume()
    site.wait_until_healthy()


def test_the_table_of_the_semantic_cache_gone(site: Site, upstream_server: Upstream) -> None:
    faults = site.figure("fault:semantic")
    site.sql("ALTER TABLE caching_cacheentry RENAME TO lost")
    try:
        assert site.status(AGAIN) == "miss"
        assert site.status(REFUND) == "hit-exact"  # Redis has it
        health = site.health()
        assert (health["status"], health["parts"]["semantic_cache"]) == ("degraded", "down")
    finally:
        site.sql("ALTER TABLE lost RENAME TO caching_cacheentry")
    site.wait_until_counted("fault:semantic", faults)


def test_values_in_redis_that_cannot_be_read(site: Site) -> None:
    faults = site.figure("fault:value")
    client = site.redis
    values = [b"", b"\xff\xfe", b"1 0 0 j\n{}", b"2 0 0 z\nnot packed", b"2 0 0 j\n[[[["]
    for value in values:
        names = list(client.scan_iter("polyai:exact:*"))
        assert names
        for name in names:
            client.set(name, value, ex=600)
        assert site.status(REFUND, store=False) == "hit-exact"  # from the database
    client.close()
    site.wait_until_counted("fault:value", faults + len(values) - 1)


def test_stored_sources_that_cannot_be_read(site: Site) -> None:
    faults = site.figure("fault:value")
    site.sql("""UPDATE caching_cacheentry SET sources = '["damaged"]'""")
    client = site.redis
    for name in client.scan_iter("polyai:exact:*"):
        client.delete(name)
    client.close()
    assert site.status(AGAIN) == "miss"
    assert site.status(REFUND) in ("miss", "hit-semantic")
    assert site.status(REFUND) in ("hit-exact", "hit-semantic")
    site.wait_until_counted("fault:value", faults)
