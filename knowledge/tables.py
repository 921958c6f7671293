"""The tables that vectors lie in, by name, and the statements that make and change them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction

# For a lock, before we try again another time. Autovacuum gives way after a second, as a deadlock is seen after one:
# what only autovacuum or writers hold is waited for longer than that, what searches wait behind for less.
PATIENCE, LEAST_PATIENCE = "3s", "800ms"
_OWN = re.compile(r"vectors_([0-9a-f]{16})_([0-9a-f]{32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A grown project's table. `is_attached` once it is part of its space."""

    table: str
    space_digits: str
    project_id: UUID
    is_attached: bool


def space_table(space_id: UUID) -> str:
    return f"vectors_{space_id.hex}"


def shared_table(space_id: UUID) -> str:
    return f"vectors_{space_id.hex}_shared"


def own_table(space_id: UUID, project_id: UUID) -> str:
    return f"vectors_{space_id.hex[:16]}_{project_id.hex}"  # PostgreSQL's names have 63 characters at most


def list_own() -> list[Own]:
    rows = ask(
        "SELECT relname, EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = pg_class.oid) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND starts_with(relname, 'vectors_')"
    )
    found = [(_OWN.fullmatch(name), is_attached) for name, is_attached in rows]
    return [
        Own(table=match[0], space_digits=match[1], project_id=UUID(match[2]), is_attached=is_attached)
        for match, is_attached in found
        if match
    ]


def list_spaces() -> list[UUID]:
    """The spaces that have tables."""
    rows = ask(
        "SELECT relname FROM pg_class "
        "WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace AND relname ~ '^vectors_[0-9a-f]{32}$'"
    )
    return [UUID(name.removeprefix("vectors_")) for (name,) in rows]


@contextmanager
def only_one(table: str) -> Iterator[bool]:
    """One process at a time; whether it is this one. Nobody waits, and a process that is killed gives it back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [table])
        is_free = bool(cursor.fetchone()[0])
        try:
            yield is_free
        finally:
            if is_free:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [table])


@contextmanager
def brief() -> Iterator[None]:
    """A transaction that rather gives up (OperationalError) than keeps others waiting behind it for a lock."""
    with transaction.atomic():
        run(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        yield


def hurry() -> None:
    """From here to the end of the transaction, searches may wait behind us."""
    run(f"SET LOCAL lock_timeout = '{LEAST_PATIENCE}'")


@contextmanager
def with_settings(**values: str) -> Iterator[None]:
    """Settings of this connection; it goes back to the pool without them."""
    run(*[f"SET {name} = '{value}'" for name, value in values.items()])
    try:
        yield
    finally:
        try:
            run(*[f"RESET {name}" for name in values])
        except DatabaseError:
            connection.close()


def exists(name: str) -> bool:
    return bool(ask("SELECT to_regclass(%s)", name)[0][0])


def run(*statements: str) -> None:
    """Statements made of names and ids of our own: DDL takes no parameters."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def ask(query: str, *parameters: str | int | UUID) -> list[tuple[Any, ...]]:  # Any: a row
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
