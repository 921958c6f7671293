"""A running product put back to where it was: one for all browser modules, each of which meets it as new."""

from __future__ import annotations

import time

import psycopg
import redis

from tests.product import Product

QUEUE = b"polyai:celery:"  # what Celery keeps in Redis: its workers would not find it made again


class Pristine:
    """What a product's stores hold now, to go back to. Files stay where they are: no row names those of a test."""

    def __init__(self, product: Product) -> None:
        self.product = product
        with self._link() as link:
            rows = link.execute(
                "SELECT table_name, string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
                " JOIN pg_class ON oid = quote_ident(table_name)::regclass"
                " WHERE table_schema = 'public' AND is_generated = 'NEVER' AND table_name <> 'django_migrations'"
                " AND relkind IN ('r', 'p') AND NOT relispartition GROUP BY table_name"
            ).fetchall()
            self._columns: dict[str, str] = dict(rows)
            link.execute("CREATE SCHEMA pristine")
            for table in self._columns:
                link.execute(f"CREATE TABLE pristine.{table} AS TABLE public.{table}")

    def restore(self) -> None:
        """Everything written since is gone: accounts, projects, conversations, answers in the caches."""
        with self._link() as link:
            link.execute("SET session_replication_role = replica; SET lock_timeout = '10s'")
            link.execute(f"TRUNCATE {', '.join(self._columns)}")
            for table, columns in self._columns.items():
                link.execute(
                    f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pristine.{table}"
                )
        with redis.Redis(unix_socket_path=str(self.product.run_folder / "redis.sock")) as store:
            forgotten = [key for key in store.scan_iter() if not key.startswith(QUEUE)]
            if forgotten:
                store.delete(*forgotten)

    def _link(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.product.run_folder), user="postgres", dbname="polyai")


def wait_until_read(product: Product, seconds: float = 90) -> None:
    """Until every document of the product is searchable."""
    deadline = time.monotonic() + seconds
    with psycopg.connect(host=str(product.run_folder), user="postgres", dbname="polyai", autocommit=True) as link:
        while link.execute("SELECT 1 FROM knowledge_document WHERE state <> 'ready'").fetchone():
            assert time.monotonic() < deadline, product.log
            time.sleep(0.1)
