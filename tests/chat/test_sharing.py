"""Links under which strangers read a conversation."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from accounts.models import Membership
from chat import filing
from chat.models import Conversation, Message, Share
from chat.sharing import create_share, list_shares, revoke_share
from core.errors import InvalidInput
from knowledge.models import Document
from tests.chat.test_conversations import REFUND, make, say
from tests.conftest import Cast, add_document, browser_of, complete, make_question
from tests.upstream import Upstream


@pytest.fixture
def talk(cast: Cast, upstream: Upstream) -> Conversation:
    add_document(cast.project)
    upstream.enqueue("They have **30 days** [1]. <script>alert(1)</script>")
    async_to_sync(complete)(make_question(cast, REFUND))
    return Conversation.objects.get()


def address(share: Share) -> str:
    return f"/shared/{share.token}/"


def test_a_stranger_reads_the_text_and_the_numbers_but_no_passage_and_no_name(talk: Conversation) -> None:
    response = Client().get(address(create_share(talk)))
    page = response.text
    assert response.status_code == 200
    assert REFUND in page
    assert "<strong>30 days</strong>" in page
    assert '<span class="cite static">1</span>' in page
    assert "members of the project only" in page
    for secret in ("handbook.md", "within 30 days of delivery", "Support", "alice", "data-source", "<script>alert"):
        assert secret not in page, secret


@pytest.mark.parametrize(("who", "sees"), [("alice", True), ("bob", True), ("mallory", False)])
def test_sources_are_for_those_who_may_read_the_project(cast: Cast, talk: Conversation, who: str, sees: bool) -> None:
    page = browser_of(getattr(cast, who)).get(address(create_share(talk))).text
    assert ("handbook.md" in page) is sees
    assert ("within 30 days of delivery" in page) is sees
    assert ("members of the project only" in page) is not sees


def test_an_attached_file_is_shown_to_nobody_else_not_even_after_it_was_removed(cast: Cast, talk: Conversation) -> None:
    Document.objects.update(attached_to=talk.id, uploaded_by=cast.alice)
    page = address(create_share(talk))
    assert "within 30 days of delivery" in browser_of(cast.alice).get(page).text
    shown = browser_of(cast.bob).get(page).text
    assert "only the one who asked" in shown
    assert "within 30 days of delivery" not in shown
    assert "handbook.md" not in shown
    Document.objects.get().delete()
    assert "handbook.md" not in browser_of(cast.bob).get(page).text


def test_nobody_is_led_to_the_page_and_its_address_goes_nowhere(talk: Conversation) -> None:
    response = Client().get(address(create_share(talk)))
    assert response["Referrer-Policy"] == "no-referrer"
    assert "noindex" in response["X-Robots-Tag"]
    assert "no-store" in response["Cache-Control"]
    assert response.cookies == {}


def test_a_token_has_144_random_bits(talk: Conversation) -> None:
    tokens = {create_share(talk).token for _ in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {24}  # characters of 6 bits each


def dead(share: Share) -> None:
    response = Client().get(address(share))
    assert response.status_code == 404
    assert "does not work any more" in response.text
    assert REFUND not in response.text
    assert response["Referrer-Policy"] == "no-referrer"


def test_after_its_revocation_a_link_is_dead(cast: Cast, talk: Conversation) -> None:
    share, other = create_share(talk), create_share(talk)
    client = browser_of(cast.alice)
    assert share.token in client.get(f"/chat/{talk.id}/share/").text
    client.post(f"/chat/{talk.id}/share/", {"revoke": share.token})
    dead(share)
    assert share.token not in client.get(f"/chat/{talk.id}/share/").text
    assert Client().get(address(other)).status_code == 200


def test_after_its_time_a_link_is_dead(talk: Conversation) -> None:
    share = create_share(talk, days=7)
    assert share.expires_at is not None
    assert abs(share.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    Share.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    dead(share)
    assert not list_shares(talk).exists()


def test_a_link_to_a_deleted_conversation_is_dead_and_works_again_after_undo(talk: Conversation) -> None:
    share = create_share(talk)
    filing.put_away(talk)
    dead(share)
    filing.bring_back(talk)
    assert Client().get(address(share)).status_code == 200
    talk.delete()
    dead(share)


def test_a_link_is_dead_while_its_owner_may_not_read_the_project(cast: Cast, talk: Conversation) -> None:
    share = create_share(talk)
    Membership.objects.filter(user=cast.alice).delete()
    dead(share)


def test_a_link_that_never_was_is_as_dead_as_any(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    assert Client().get("/shared/%00/").status_code == 404
    with caplog.at_level(logging.DEBUG):
        response = Client().get("/shared/c2VjcmV0LXRva2VuLWhlcmU/")
    assert response.status_code == 404
    assert "c2VjcmV0" not in caplog.text


def test_a_link_shows_its_branch_up_to_where_it_was_made(talk: Conversation) -> None:
    question = talk.messages.get(role="user")
    answer = talk.messages.get(role="assistant")
    Conversation.objects.filter(id=talk.id).update(tip=answer)
    talk.refresh_from_db()
    share = create_share(talk)
    say(talk, "another branch", "assistant", parent=question)
    later = say(talk, "a later question", parent=answer)
    page = Client().get(address(share)).text
    assert "30 days" in page
    assert "another branch" not in page
    assert "a later question" not in page
    Message.objects.filter(id=later.id).delete()
    Message.objects.filter(id=answer.id).update(content="Changed since.")
    assert "Changed since." in Client().get(address(share)).text


def test_a_deleted_message_is_gone_from_the_link(talk: Conversation) -> None:
    share = create_share(talk)
    talk.messages.get(role="assistant").delete()
    dead(share)


def test_only_its_owner_makes_or_revokes_a_link(cast: Cast, talk: Conversation) -> None:
    share = create_share(talk)
    other = make(cast, user=cast.mallory, project=cast.foreign)
    client = browser_of(cast.mallory)
    assert client.post(f"/chat/{talk.id}/share/", {"revoke": share.token}).status_code == 404
    assert client.post(f"/chat/{other.id}/share/", {"revoke": share.token}).status_code == 302
    assert Client().get(address(share)).status_code == 200
    revoke_share(talk, "no such token")


@pytest.mark.parametrize("days", ["2", "-1", "x", "99999999999999999999", "1.5", "²"])
def test_a_time_that_is_not_offered_is_refused(cast: Cast, talk: Conversation, days: str) -> None:
    client = browser_of(cast.alice)
    response = client.post(f"/chat/{talk.id}/share/", {"days": days}, headers={"Accept": "application/json"})
    assert response.status_code == 400
    assert "1, 7 or 30 days" in response.json()["error"]
    assert not Share.objects.exists()


def test_an_empty_conversation_and_a_fifty_first_link_are_refused(cast: Cast, talk: Conversation) -> None:
    with pytest.raises(InvalidInput, match="nothing to share"):
        create_share(make(cast))
    for _ in range(50):
        create_share(talk)
    with pytest.raises(InvalidInput, match="50 links"):
        create_share(talk)
