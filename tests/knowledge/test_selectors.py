"""knowledge/selectors.py: reads, with the access check in the same query."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership
from accounts.types import OPERATOR
from core.errors import NotFound
from core.redis import sync_redis
from knowledge import queue, services
from knowledge.models import Chunk, Document
from knowledge.selectors import STALLED_AFTER, get_document, list_documents, list_live_chunks
from tests.conftest import Cast
from tests.knowledge.conftest import upload

OLD, NEW = STALLED_AFTER + timedelta(seconds=1), STALLED_AFTER - timedelta(seconds=10)


def test_members_and_the_operator_see_a_projects_documents_newest_first(cast: Cast) -> None:
    first, second = upload(cast.project, name="1.md")[0], upload(cast.project, name="2.md")[0]
    for actor in (cast.actor(cast.alice), cast.actor(cast.bob), OPERATOR):
        assert list(list_documents(actor, cast.project.id)) == [second, first]
        assert get_document(actor, first.id) == first


def test_to_mallory_a_document_does_not_exist(cast: Cast) -> None:
    document, _ = upload(cast.project, name="top secret.md")
    assert list(list_documents(cast.actor(cast.mallory), cast.project.id)) == []
    with pytest.raises(NotFound) as hidden:
        get_document(cast.actor(cast.mallory), document.id)
    with pytest.raises(NotFound) as absent:
        get_document(cast.actor(cast.mallory), uuid.uuid4())
    assert hidden.value.message == absent.value.message


def test_a_removed_member_sees_nothing_more(cast: Cast) -> None:
    document, _ = upload(cast.project)
    Membership.objects.filter(user=cast.bob).delete()
    with pytest.raises(NotFound):
        get_document(cast.actor(cast.bob), document.id)


def test_check_and_fetch_are_one_query(cast: Cast, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    document, _ = upload(cast.project)
    with django_assert_num_queries(1):
        assert get_document(cast.actor(cast.alice), document.id).project.slug == "support"
    with django_assert_num_queries(1):
        assert list(list_documents(cast.actor(cast.alice), cast.project.id))


def test_the_live_chunks_are_those_of_the_live_version_in_reading_order(cast: Cast) -> None:
    document, _ = upload(cast.project)
    Document.objects.update(version=3, live_version=2)
    document.refresh_from_db()
    for version, position in [(1, 0), (2, 1), (2, 0), (3, 0)]:
        Chunk.objects.create(
            document=document, version=version, position=position, text=f"{version}.{position}", content_hash=""
        )
    assert [chunk.text for chunk in list_live_chunks(document)] == ["2.0", "2.1"]


@pytest.mark.parametrize(
    ("state", "heartbeat", "updated", "retry", "is_stalled"),
    [
        ("queued", None, OLD, None, True),  # its task was lost
        ("queued", None, NEW, None, False),  # it has just been queued
        ("parsing", OLD, OLD, None, True),  # its worker was killed
        ("embedding", OLD, NEW, None, True),
        ("embedding", NEW, OLD, None, False),  # its worker lives
        ("queued", None, OLD, timedelta(seconds=1), True),  # its pause is over
        ("queued", None, OLD, timedelta(seconds=-60), False),  # it pauses
        ("ready", OLD, OLD, None, False),
        ("failed", OLD, OLD, None, False),
        ("cancelled", OLD, OLD, None, False),
    ],
)
def test_what_nobody_has_in_hand_and_no_queue_holds_is_sent_again(
    cast: Cast,
    state: str,
    heartbeat: timedelta | None,
    updated: timedelta,
    retry: timedelta | None,
    is_stalled: bool,
) -> None:
    upload(cast.project)
    now = timezone.now()
    Document.objects.update(
        state=state,
        heartbeat_at=now - heartbeat if heartbeat else None,
        updated_at=now - updated,
        retry_at=now - retry if retry else None,
    )
    sync_redis().flushdb()
    assert services.resume_stalled() == is_stalled
    assert queue.length() == is_stalled
    assert services.resume_stalled() == 0  # it waits now
