"""The cast of tests that stay in one thread, and a starting line for those that race."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import Membership, Role, User
from accounts.services import create_project
from core.database import in_db
from tests.conftest import PASSWORD, Cast

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Page

T = TypeVar("T")

WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE NOT granted AND datname = current_database()
"""
SIGNUP, LOGIN, LOGOUT, INACTIVE = (f"/accounts/{page}/" for page in ("signup", "login", "logout", "inactive"))


@pytest.fixture
def cast(db: None) -> Cast:
    """As everywhere; but a transaction that is rolled back costs less than tables that are emptied."""
    alice, bob, mallory = (
        User.objects.create_user(f"{name}@example.org", PASSWORD) for name in ("alice", "bob", "mallory")
    )
    project = create_project(name="Support", slug="support", owner=alice)
    Membership.objects.create(project=project, user=bob, role=Role.VIEWER)
    foreign = create_project(name="Secret", slug="secret", owner=mallory)
    return Cast(alice=alice, bob=bob, mallory=mallory, project=project, foreign=foreign)


@pytest.fixture
def root(db: None) -> User:
    """The administrator."""
    return User.objects.create_superuser("root@example.org", PASSWORD)


def sign_up(email: str, password: str = PASSWORD, client: Client | None = None) -> Page:
    return (client or Client()).post(SIGNUP, {"email": email, "password1": password})


def log_in(email: str, password: str = PASSWORD, client: Client | None = None) -> Page:
    return (client or Client()).post(LOGIN, {"login": email, "password": password})


def can_log_in(email: str, password: str = PASSWORD) -> bool:
    client = Client()
    log_in(email, password, client)
    return is_logged_in(client)


def is_logged_in(client: Client) -> bool:
    return client.get("/projects/").status_code == 200


async def race(lock: str, *calls: Callable[[], T]) -> list[T]:
    """Make all calls at once: each stops at `lock`, and all are let go when the last has come there."""
    is_held = threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(lock)
            is_held.set()
            deadline = time.monotonic() + 10
            while True:
                cursor.execute(WAITING)
                if cursor.fetchone()[0] >= len(calls):
                    return
                assert time.monotonic() < deadline, "not everyone came to the lock"
                time.sleep(0.01)

    def start(call: Callable[[], T]) -> T:
        is_held.wait(10)
        return call()

    holding = asyncio.ensure_future(in_db(hold)())
    results = await asyncio.gather(*(in_db(start)(call) for call in calls))
    await holding
    return results
