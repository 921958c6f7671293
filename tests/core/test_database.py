"""core/database.py: the ORM from asynchronous code, on the real PostgreSQL and its pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from pytest_django import DjangoDbBlocker

from accounts.models import User
from core.database import DATABASE_THREADS, in_db, release
from core.errors import NotFound, StoreUnavailable


def select(expression: str = "1") -> object:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        return cursor.fetchone()[0]


async def in_every_thread(function: object) -> list[object]:
    """Call it in all threads of in_db at the same time."""
    together = threading.Barrier(DATABASE_THREADS, timeout=10)

    def call() -> object:
        together.wait()
        return function()  # type: ignore[operator]  # a test's shorthand

    return await asyncio.gather(*(in_db(call)() for _ in range(DATABASE_THREADS)))


def is_connected() -> bool:
    return connection.connection is not None


@pytest.mark.usefixtures("db")
async def test_a_call_returns_what_the_function_returns() -> None:
    assert await in_db(select)("41 + 1") == 42


@pytest.mark.usefixtures("db")
async def test_a_call_raises_what_the_function_raises() -> None:
    def fail() -> None:
        raise NotFound("There is nothing here.")

    with pytest.raises(NotFound, match="nothing here"):
        await in_db(fail)()


@pytest.mark.usefixtures("db")
async def test_calls_run_in_parallel_and_leave_no_connection_behind() -> None:
    assert await in_every_thread(select) == [1] * DATABASE_THREADS
    assert await in_every_thread(is_connected) == [False] * DATABASE_THREADS


@pytest.mark.usefixtures("db")
async def test_a_call_that_fails_leaves_no_connection_behind_either() -> None:
    def fail() -> None:
        select()
        raise NotFound("There is nothing here.")

    def outcome() -> object:
        with pytest.raises(NotFound):
            fail()
        return is_connected()

    assert await in_every_thread(outcome) == [True] * DATABASE_THREADS
    assert await in_every_thread(is_connected) == [False] * DATABASE_THREADS


@pytest.mark.usefixtures("db")
async def test_more_calls_than_connections_wait_and_do_not_fail() -> None:
    assert await asyncio.gather(*(in_db(select)(f"{n} + 0 * length(pg_sleep(0.01)::text)") for n in range(60))) == [
        *range(60)
    ]


@pytest.mark.usefixtures("db")
def test_an_open_transaction_keeps_its_connection() -> None:
    with transaction.atomic():
        release()
        assert is_connected()
        assert select() == 1


@pytest.mark.usefixtures("transactional_db")
async def test_a_transaction_inside_a_call_is_whole_or_nothing() -> None:
    @transaction.atomic
    def make_two_with_one_address() -> None:
        User.objects.create_user("alice@example.org")
        User.objects.create_user("Alice@example.org")

    with pytest.raises(IntegrityError):
        await in_db(make_two_with_one_address)()
    assert not await in_db(User.objects.exists)()


@pytest.mark.usefixtures("db")
async def test_a_connection_that_is_cut_is_a_store_that_does_not_answer_and_the_next_call_works() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await in_db(select)("pg_terminate_backend(pg_backend_pid())")
    assert caught.value.message == "The database does not answer. Try again in a moment."
    assert isinstance(caught.value.__cause__, OperationalError)
    assert await in_db(select)() == 1


@pytest.fixture
def idle_pool(transactional_db: None) -> Generator[None, None, None]:
    """The test's own thread holds no connection; afterwards, the pool is a new one."""
    connection.close()
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own: the stubs know the base alone


@pytest.mark.usefixtures("idle_pool")
async def test_a_restart_of_postgresql_between_two_calls_goes_unnoticed() -> None:
    await in_every_thread(select)  # so many connections wait in the pool now
    everyone_else = "datname = current_database() AND pid <> pg_backend_pid()"
    await in_db(select)(f"count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {everyone_else}")
    assert await in_every_thread(select) == [1] * DATABASE_THREADS


@pytest.fixture(params=["pooled", "not pooled"])
def unreachable(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Generator[str, None, None]:
    """A database at an address where no server listens."""
    options = {"pool": {"min_size": 0, "max_size": 1, "timeout": 0.2}} if request.param == "pooled" else {}
    settings = {**connections.databases["default"], "HOST": str(tmp_path), "OPTIONS": options}
    connections.databases["unreachable"] = settings
    with django_db_blocker.unblock():
        yield "unreachable"
        connections["unreachable"].close_pool()  # type: ignore[attr-defined]  # as above
    del connections["unreachable"], connections.databases["unreachable"]


async def test_a_server_that_cannot_be_reached_is_a_store_that_does_not_answer(unreachable: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await in_db(User.objects.using(unreachable).exists)()
    assert (caught.value.status, caught.value.retryable) == (503, True)
    assert caught.value.message == "The database does not answer. Try again in a moment."
