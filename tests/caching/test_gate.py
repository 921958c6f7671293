"""caching/gate.py: what a key opens is remembered for two seconds, and never after it has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from accounts.models import ApiKey, Membership, Project, Role, User
from accounts.services import create_api_key, digest
from caching import eviction, gate
from core.database import in_db
from core.redis import RedisAway, sync_redis
from knowledge import services
from knowledge.models import Document
from tests.caching.conftest import stored
from tests.conftest import HANDBOOK, Cast, add_document

PASS = gate.Pass(user_id=UUID(int=9), project_id=UUID(int=1), slug="support", corpus_version=3, epoch=2, is_cached=True)
FIELDS = json.loads(json.dumps(asdict(PASS), default=str))


@pytest.fixture
def project(cast: Cast) -> Project:
    return cast.project


@pytest.fixture
def key(cast: Cast, project: Project) -> str:
    return digest(create_api_key(user=cast.bob, project=project))


async def test_a_pass_is_read_as_it_was_written_and_ends_by_itself(transactional_db: None) -> None:
    seal = await gate.take_seal(PASS.project_id)
    await gate.write_pass("k", PASS, seal)
    name = gate.pass_name("k")
    assert gate.read_pass(stored(name), stored(gate.seal_name(PASS.project_id))) == PASS
    assert 0 < int(sync_redis().pttl(name)) <= gate.LIFE


async def test_a_seal_stays_until_it_is_broken(transactional_db: None) -> None:
    one = await gate.take_seal(PASS.project_id)
    assert await gate.take_seal(PASS.project_id) == one
    assert await gate.take_seal(UUID(int=2)) != one
    gate.break_seal(PASS.project_id)
    assert await gate.take_seal(PASS.project_id) != one


async def test_a_pass_under_a_broken_seal_is_worth_nothing_also_one_that_is_being_written(
    transactional_db: None,
) -> None:
    seal = await gate.take_seal(PASS.project_id)
    gate.break_seal(PASS.project_id)  # between the reading and the writing
    await gate.write_pass("k", PASS, seal)
    assert gate.read_pass(stored(gate.pass_name("k")), stored(gate.seal_name(PASS.project_id))) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\n",
        b"seal",
        b"seal\n",
        b"seal\nnull",
        b"seal\n[]",
        b"seal\n{",
        b"seal\n{}",
        b'seal\n{"project_id": 7}',
        b'seal\n{"project_id": "7"}',
        b"seal\n\xff\xfe",
        b"seal\n" + b"[" * 100_000,
        b"seal\n" + json.dumps({**FIELDS, "of_later": 1}).encode(),
        b"seal\n" + json.dumps({**FIELDS, "corpus_version": "3"}).encode(),
        b"other\n" + json.dumps({}).encode(),
        "seal\n{}",
    ],
)
def test_what_is_no_pass_opens_nothing(value: bytes | str | None) -> None:
    assert gate.read_pass(value, b"seal") is None
    assert gate.read_pass(value, None) is None


async def test_without_redis_it_says_so(transactional_db: None, dead_redis: str) -> None:
    with pytest.raises(RedisAway):
        await gate.take_seal(PASS.project_id)
    with pytest.raises(RedisAway):
        await gate.write_pass("k", PASS, b"seal")
    await in_db(gate.break_seal)(PASS.project_id)  # nobody fails for it


# --- What a key opens ------------------------------------------------------------------------------


def test_a_key_opens_its_project_as_it_is_now(cast: Cast, project: Project, key: str) -> None:
    found = gate.find_pass(key)
    assert found == gate.Pass(
        user_id=cast.bob.id,
        project_id=project.id,
        slug="support",
        corpus_version=project.corpus_version,
        epoch=project.cache_epoch,
        is_cached=True,
    )


def revoke(cast: Cast, key: str) -> None:
    found = ApiKey.objects.get(digest=key)
    found.revoked_at = found.created_at
    found.save()


def deactivate(cast: Cast, key: str) -> None:
    cast.bob.is_active = False
    cast.bob.save()


LOSSES: dict[str, Callable[[Cast, str], object]] = {
    "revoked": revoke,
    "deleted": lambda cast, key: ApiKey.objects.get(digest=key).delete(),
    "user dismissed": deactivate,
    "user deleted": lambda cast, key: cast.bob.delete(),
    "member removed": lambda cast, key: Membership.objects.get(user=cast.bob).delete(),
    "project deleted": lambda cast, key: cast.project.delete(),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_who_loses_the_right_loses_the_pass_at_once(cast: Cast, key: str, loss: str) -> None:
    project_id = cast.project.id
    seal = await gate.take_seal(project_id)
    await in_db(LOSSES[loss])(cast, key)
    assert await in_db(gate.find_pass)(key) is None
    assert stored(gate.seal_name(project_id)) != seal


def switch_off(cast: Cast) -> None:
    cast.project.uses_exact_cache = False
    cast.project.save()


def rename(cast: Cast) -> None:
    cast.project.slug = "help"
    cast.project.save()


CHANGES: dict[str, Callable[[Cast], object]] = {
    "settings": switch_off,
    "slug": rename,
    "upload": lambda cast: add_document(cast.project),
    "edit": lambda cast: add_document(cast.project, HANDBOOK.replace("30", "14"), "old.md"),
    "delete": lambda cast: services.delete(Document.objects.get(name="old.md")),
    "flush": lambda cast: eviction.flush(cast.project),
    "a member more": lambda cast: Membership.objects.create(project=cast.project, user=cast.mallory, role=Role.VIEWER),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whatever_a_pass_tells_breaks_the_seal_when_it_changes(cast: Cast, key: str, change: str) -> None:
    await in_db(add_document)(cast.project, HANDBOOK, "old.md")
    await in_db(cast.project.refresh_from_db)()
    seal = await gate.take_seal(cast.project.id)
    await in_db(CHANGES[change])(cast)
    assert stored(gate.seal_name(cast.project.id)) != seal


async def test_a_seal_breaks_at_the_commit_and_not_before(cast: Cast, key: str) -> None:
    seal = await gate.take_seal(cast.project.id)

    def change_and_fail() -> None:
        with transaction.atomic():
            switch_off(cast)
            assert stored(gate.seal_name(cast.project.id)) == seal
            transaction.set_rollback(True)

    await in_db(change_and_fail)()
    assert stored(gate.seal_name(cast.project.id)) == seal


def test_keys_of_another_kind_open_nothing(cast: Cast, key: str) -> None:
    for wrong in ("", "k", key.upper(), key[:-1], uuid4().hex):
        assert wrong == key or gate.find_pass(wrong) is None


def test_a_stranger_whose_key_is_for_an_open_project_reads_it_and_one_made_private_not(cast: Cast) -> None:
    Project.objects.update(visibility="everyone")
    foreign: User = cast.mallory
    key = digest(create_api_key(user=foreign, project=cast.project))
    assert gate.find_pass(key) is not None
    Project.objects.update(visibility="members")
    assert gate.find_pass(key) is None


async def test_two_who_take_a_seal_at_once_take_the_same(transactional_db: None) -> None:
    seals = await asyncio.gather(*(gate.take_seal(PASS.project_id) for _ in range(20)))
    assert len(set(seals)) == 1
