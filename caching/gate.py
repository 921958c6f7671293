"""What a program's key opens, remembered for two seconds, so that a hit need not ask PostgreSQL.

A *pass* is what PostgreSQL said of a key's project: its policy, and the version of its documents. It holds
for `LIFE` at most, and only while the project's *seal* is the one it was written under. Whoever changes what a
pass tells (documents, members, rights, settings) breaks the seal when the change is committed: a pass from before
is worth nothing from then on, also one that is being written at that very moment. Only a process killed between
its commit and the seal leaves a pass that holds a little longer than it should: two seconds.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Model

from accounts.models import ApiKey, Membership, Project
from accounts.selectors import list_projects
from accounts.types import Actor
from caching.policy import policy_of
from caching.types import typed
from core.redis import PREFIX, RedisAway, RedisError, async_redis, sync_redis, within_budget

log = logging.getLogger(__name__)
LIFE = 2000  # milliseconds
SEALED_FOR = 24 * 3600  # seconds; a seal that is gone is made anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one key opens now."""

    user_id: UUID
    project_id: UUID
    slug: str
    corpus_version: int
    epoch: int
    is_cached: bool  # the project uses its exact cache


def pass_name(key_digest: str) -> str:
    return f"{PREFIX}gate:pass:{key_digest}"


def seal_name(project_id: UUID) -> str:
    return f"{PREFIX}gate:seal:{project_id}"


def read_pass(value: bytes | str | None, seal: bytes | str | None) -> Pass | None:
    """The pass in a stored value, if it was written under this seal and can be read."""
    if not isinstance(value, bytes) or not isinstance(seal, bytes):
        return None
    written, _, body = value.partition(b"\n")
    if written != seal:
        return None
    try:
        fields = json.loads(body)
        return typed(Pass(**{**fields, **{name: UUID(fields[name]) for name in ("user_id", "project_id")}}))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("redis: a pass cannot be read (%s); asking PostgreSQL", type(error).__name__)
        return None


async def write_pass(key_digest: str, found: Pass, seal: bytes) -> None:
    """Remember a pass that was read from PostgreSQL after `seal` was. Raises RedisAway."""
    body = json.dumps(asdict(found), default=str).encode()
    await within_budget(async_redis().set(pass_name(key_digest), seal + b"\n" + body, px=LIFE), "gate write")


async def take_seal(project_id: UUID) -> bytes:
    """The project's seal; a new one where there is none. Raises RedisAway."""
    name, client = seal_name(project_id), async_redis()
    await within_budget(client.set(name, uuid4().hex, nx=True, ex=SEALED_FOR), "gate seal")
    held = await within_budget(client.get(name), "gate seal")
    if not isinstance(held, bytes):
        raise RedisAway("gate seal")
    return held


def break_seal(project_id: UUID) -> None:
    """What passes of this project tell has changed. Call it when the change is committed."""
    try:
        sync_redis().set(seal_name(project_id), uuid4().hex, ex=SEALED_FOR)
    except (RedisError, OSError) as error:
        log.warning("redis: a seal was not broken (%s); its passes end within 2 s", type(error).__name__)


def find_pass(key_digest: str) -> Pass | None:
    """What a key opens, from PostgreSQL: None for one that is unknown, revoked, or whose owner may not read."""
    key = ApiKey.objects.filter(digest=key_digest, revoked_at=None, user__is_active=True).first()
    if key is None:
        return None
    project = list_projects(Actor(user_id=key.user_id, project_id=key.project_id)).first()
    if project is None:
        return None
    policy = policy_of(project)
    return Pass(
        user_id=key.user_id,
        project_id=project.id,
        slug=project.slug,
        corpus_version=project.corpus_version,
        epoch=policy.epoch,
        is_cached=policy.uses_exact and policy.ttl > 0,
    )


def break_seals(sender: type[Model], instance: Model, **_: Any) -> None:  # Any: Django's signals
    """The seals of all projects that a changed project, membership, key or user concerns, on commit."""
    match instance:
        case Project():
            concerned = {instance.pk}
        case Membership() | ApiKey():
            concerned = {instance.project_id}
        case _:
            concerned = set(ApiKey.objects.filter(user_id=instance.pk).values_list("project_id", flat=True))
    for project_id in concerned:
        transaction.on_commit(partial(break_seal, project_id))
