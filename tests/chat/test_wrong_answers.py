"""The button “Wrong answer”: who may press it, and what it does to every cache."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Membership, Project
from caching import approval
from caching.models import CacheEntry, Judgement
from chat.models import Message
from chat.types import AnswerCompleted
from core.redis import sync_redis
from tests.chat.asking import AGAIN, REFUND, ask, status
from tests.conftest import Cast, browser_of
from tests.upstream import Upstream


@pytest.fixture
def hit(cast: Cast, project: Project, upstream: Upstream) -> AnswerCompleted:
    """Given by the cache to alice, in other words."""
    upstream.enqueue("They have 30 days [1].")
    async_to_sync(ask)(cast)
    answer: AnswerCompleted = async_to_sync(ask)(cast, AGAIN)
    assert answer.cache.status == "hit-semantic"
    return answer


def address(answer: AnswerCompleted, message: UUID | None = None) -> str:
    return f"/chat/{answer.conversation_id}/messages/{message or answer.answer_id}/wrong/"


def status_now(cast: Cast, text: str = REFUND) -> str:
    found: str = async_to_sync(status)(cast, text)
    return found


def test_a_click_takes_the_answer_out_of_every_layer_at_once(cast: Cast, hit: AnswerCompleted) -> None:
    assert status_now(cast) == "hit-exact"
    response = browser_of(cast.alice).post(address(hit), headers={"accept": "application/json"})
    assert (response.status_code, response.json()) == (200, {"evicted": True})
    assert not CacheEntry.objects.exists()
    assert not list(sync_redis().scan_iter("polyai:exact:*"))
    judgement = Judgement.objects.get()
    assert (judgement.origin, judgement.layer, judgement.is_right) == ("click", "semantic", False)
    assert (judgement.asked, judgement.known) == (AGAIN, REFUND)
    assert Project.objects.get(slug="support").verdict_offset < 0
    assert status_now(cast, AGAIN) == "miss"


def test_without_javascript_the_page_comes_back_and_says_thank_you(cast: Cast, hit: AnswerCompleted) -> None:
    page = browser_of(cast.alice).post(address(hit), follow=True).content.decode()
    assert "has left the cache" in page
    assert "Reported as wrong" in page
    assert "data-wrong" not in page


def test_a_form_of_another_site_is_refused(cast: Cast, hit: AnswerCompleted) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(address(hit)).status_code == 403
    assert CacheEntry.objects.exists()


def test_a_link_does_nothing(cast: Cast, hit: AnswerCompleted) -> None:
    assert browser_of(cast.alice).get(address(hit)).status_code == 405
    assert CacheEntry.objects.exists()


def test_a_stranger_is_asked_to_log_in(hit: AnswerCompleted) -> None:
    response = Client().post(address(hit))
    assert response.status_code == 302
    assert CacheEntry.objects.exists()


@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_another_ones_message_does_not_exist(cast: Cast, hit: AnswerCompleted, who: str) -> None:
    client = browser_of(getattr(cast, who))
    assert client.post(address(hit)).status_code == 404
    own: AnswerCompleted = async_to_sync(ask)(cast, user=cast.bob)
    if who == "bob":  # nor under a conversation of one's own
        assert client.post(address(own, hit.answer_id)).status_code == 404
    assert CacheEntry.objects.exists()
    assert not Judgement.objects.exists()


def test_a_message_that_is_none_does_not_exist(cast: Cast, hit: AnswerCompleted) -> None:
    client = browser_of(cast.alice)
    assert client.post(address(hit, uuid4())).status_code == 404
    asked = Message.objects.get(id=hit.answer_id).parent
    assert asked is not None
    assert client.post(address(hit, asked.id)).status_code == 400


def test_a_removed_member_reports_nothing(cast: Cast, hit: AnswerCompleted) -> None:
    Membership.objects.filter(user=cast.alice).delete()
    assert browser_of(cast.alice).post(address(hit)).status_code == 404
    assert CacheEntry.objects.exists()


def test_an_answer_that_no_cache_gave_cannot_be_reported(cast: Cast, project: Project, upstream: Upstream) -> None:
    fresh: AnswerCompleted = async_to_sync(ask)(cast)
    assert browser_of(cast.alice).post(address(fresh)).status_code == 400
    assert CacheEntry.objects.exists()


def test_two_clicks_are_one(cast: Cast, hit: AnswerCompleted, upstream: Upstream) -> None:
    client = browser_of(cast.alice)
    assert client.post(address(hit)).status_code == 302
    upstream.enqueue("They have 30 days [1].")  # the same again, found to be right
    async_to_sync(ask)(cast)
    assert client.post(address(hit)).status_code == 302
    assert Judgement.objects.count() == 1
    assert status_now(cast) == "hit-exact"


def test_a_click_on_an_old_message_leaves_the_answer_that_was_written_since(
    cast: Cast, hit: AnswerCompleted, upstream: Upstream
) -> None:
    upstream.enqueue("Thirty whole days [1].")
    async_to_sync(ask)(cast, fresh=True)
    browser_of(cast.alice).post(address(hit))
    assert Judgement.objects.count() == 1
    assert status_now(cast) == "hit-exact"


def test_an_approved_answer_is_suspended_and_its_curator_is_told_why(cast: Cast, hit: AnswerCompleted) -> None:
    approval.approve(CacheEntry.objects.get(), cast.alice)
    browser_of(cast.alice).post(address(hit))
    row = CacheEntry.objects.get()
    assert row.suspended_at is not None
    assert AGAIN in row.suspended_because
    for text in (REFUND, AGAIN):
        assert status_now(cast, text) in ("miss", "hit-exact", "hit-semantic")
        assert Message.objects.order_by("-created_at").values_list("cache__is_approved", flat=True)[0] is not True


def test_with_redis_away_the_answer_is_gone_all_the_same(
    cast: Cast, hit: AnswerCompleted, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("Redis is away")

    assert status_now(cast) == "hit-exact"
    with monkeypatch.context() as patch:
        patch.setattr("caching.exact.forget", away)
        assert browser_of(cast.alice).post(address(hit)).status_code == 302
    assert list(sync_redis().scan_iter("polyai:exact:*"))  # the copy is there, and cannot be found:
    assert status_now(cast) == "miss"


def test_a_stale_answer_can_be_reported_too(cast: Cast, hit: AnswerCompleted) -> None:
    Message.objects.filter(id=hit.answer_id).update(
        cache={**Message.objects.get(id=hit.answer_id).cache, "status": "stale"}
    )
    assert browser_of(cast.alice).post(address(hit)).status_code == 302
    assert Judgement.objects.get().layer == "exact"
    assert not CacheEntry.objects.exists()
