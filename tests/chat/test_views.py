from __future__ import annotations

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from pytest_django.fixtures import Settings

from accounts.models import Membership
from chat.filing import purge_deleted
from chat.models import Conversation, Message
from chat.services import interrupt_abandoned
from core.redis import sync_redis
from knowledge import services
from tests.conftest import Cast, add_document, browser_of, complete, make_question
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture
def conversation(cast: Cast) -> Conversation:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, REFUND))
    return Conversation.objects.get()


def test_a_stranger_is_asked_to_log_in(db: None) -> None:
    for path in ("/", f"/chat/{uuid4()}/", "/projects/"):
        response = Client().get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")


def test_a_conversation_shows_its_question_answer_and_sources(cast: Cast, conversation: Conversation) -> None:
    page = browser_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
    assert REFUND in page
    assert "within 30 days of delivery" in page
    assert 'data-source="1"' in page
    assert "Quoted, not written" in page
    assert "handbook.md" in page


@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_another_users_conversation_is_404_on_every_door(cast: Cast, conversation: Conversation, who: str) -> None:
    client = browser_of(getattr(cast, who))
    message = conversation.messages.first()
    assert message is not None
    for response in (
        client.get(f"/chat/{conversation.id}/"),
        client.get(f"/chat/{conversation.id}/messages/{message.id}/"),
        client.post(f"/chat/{conversation.id}/delete/"),
    ):
        assert response.status_code == 404
        assert "30 days" not in response.content.decode()
    assert REFUND not in client.get("/").content.decode()


def test_a_removed_member_loses_the_conversations_too(cast: Cast, conversation: Conversation) -> None:
    Membership.objects.filter(user=cast.alice).delete()
    assert browser_of(cast.alice).get(f"/chat/{conversation.id}/").status_code == 404


def test_a_passage_that_left_the_project_is_not_shown_again(cast: Cast, conversation: Conversation) -> None:
    services.delete(cast.project.documents.get())
    page = browser_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
    assert "This passage is no longer in the project." in page
    assert "Open in document" not in page


def test_deleting_a_conversation_takes_its_messages_after_an_hour(cast: Cast, conversation: Conversation) -> None:
    assert browser_of(cast.alice).post(f"/chat/{conversation.id}/delete/").status_code == 302
    purge_deleted()
    assert Message.objects.exists()
    Conversation.objects.update(deleted_at=timezone.now() - timedelta(hours=2))
    purge_deleted()
    assert not Message.objects.exists()


def test_an_answer_whose_server_died_is_marked_interrupted_and_keeps_its_text(
    cast: Cast, conversation: Conversation
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    answers = conversation.messages.filter(role="assistant")
    answers.update(status="streaming", content="one two", updated_at=long_ago)
    assert interrupt_abandoned() == 1
    page = browser_of(cast.alice).get(f"/chat/{conversation.id}/").content.decode()
    assert "The server stopped while this was being written" in page
    assert "one two" in page


def test_an_answer_that_is_being_written_is_not_interrupted(cast: Cast, conversation: Conversation) -> None:
    conversation.messages.filter(role="assistant").update(status="streaming", updated_at=timezone.now())
    assert interrupt_abandoned() == 0


def test_the_form_answers_without_a_script(cast: Cast, upstream: Upstream) -> None:
    add_document(cast.project)
    place = uuid4()
    body = {"conversation": str(place), "project": "support", "text": REFUND}
    response = browser_of(cast.alice).post("/ask/", body, follow=True)
    assert response.redirect_chain == [(f"/chat/{place}/", 302)]
    assert "The documents say so" in response.content.decode()


def test_a_log_in_on_the_way_to_an_answer_ends_at_the_form(cast: Cast) -> None:
    assert Client().get("/ask/", follow=True).redirect_chain[-1][0] == "/accounts/login/?next=/"
    assert browser_of(cast.alice).get("/ask/").headers["Location"] == "/"


def test_a_suggestion_is_asked_without_a_script(cast: Cast, upstream: Upstream) -> None:
    add_document(cast.project)
    body = {"conversation": str(uuid4()), "project": "support", "text": "", "suggestion": REFUND}
    response = browser_of(cast.alice).post("/ask/", body, follow=True)
    assert REFUND in response.content.decode()
    assert "The documents say so" in response.content.decode()


@pytest.mark.parametrize(
    ("body", "status"),
    [({"conversation": "no uuid", "project": "support", "text": "x"}, 400), ({"project": "support", "text": "x"}, 400)],
)
def test_a_form_without_its_conversation_is_refused_with_a_page(cast: Cast, body: dict[str, str], status: int) -> None:
    response = browser_of(cast.alice).post("/ask/", body)
    assert response.status_code == status
    assert "Reload the page" in response.content.decode()


def test_an_empty_question_in_the_form_comes_back_with_the_reason(cast: Cast) -> None:
    body = {"conversation": str(uuid4()), "project": "support", "text": " "}
    response = browser_of(cast.alice).post("/ask/", body, follow=True)
    assert "Type a question first." in response.content.decode()


def test_a_question_that_a_new_chat_refuses_stands_in_its_field_again(cast: Cast) -> None:
    place, words = uuid4(), "\n<b>Too long</b> " + "x" * 9000
    body = {"conversation": str(place), "project": "support", "text": words, "model": "other-model"}
    page = browser_of(cast.alice).post("/ask/", body).content.decode()
    assert f">\n{escape(words)}</textarea>" in page
    assert "has 9,016 characters; 8,000 is the limit" in page
    assert f'name="conversation" value="{place}"' in page
    assert 'name="project" value="support"' in page


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(status=429, retry_after=30), "is over its limit"), (Reply(status=401), "refused the API key")],
)
def test_a_question_that_the_model_refuses_stands_in_the_field_of_its_conversation_again(
    cast: Cast, upstream: Upstream, settings: Settings, reply: Reply, reason: str
) -> None:
    settings.CHAT_MODELS = ["larger-model"]
    add_document(cast.project)
    upstream.default = reply
    place = uuid4()
    body = {"conversation": str(place), "project": "support", "text": REFUND, "model": "larger-model"}
    page = browser_of(cast.alice).post("/ask/", body).content.decode()
    assert f">\n{REFUND}</textarea>" in page
    assert re.search(rf'class="refusal">[^<]*{reason}', page)
    assert "<option selected>larger-model</option>" in page
    assert f'data-conversation="{place}"' in page
    assert 'data-new="no"' in page


def test_a_question_refused_while_another_is_answered_stands_in_the_field_again(
    cast: Cast, conversation: Conversation
) -> None:
    conversation.messages.filter(role="assistant").update(status="streaming", updated_at=timezone.now())
    body = {"conversation": str(conversation.id), "project": "support", "text": "And shoes?"}
    page = browser_of(cast.alice).post("/ask/", body).content.decode()
    assert ">\nAnd shoes?</textarea>" in page
    assert "This conversation is still being answered" in page
    assert REFUND in page


def test_a_question_to_a_deleted_conversation_stands_in_the_field_of_a_new_chat_of_the_project(
    cast: Cast, conversation: Conversation, upstream: Upstream
) -> None:
    browser = browser_of(cast.alice)
    browser.post(f"/chat/{conversation.id}/delete/")
    body = {"conversation": str(conversation.id), "project": "support", "text": "And shoes?"}
    page = browser.post("/ask/", body).content.decode()
    assert ">\nAnd shoes?</textarea>" in page
    assert "This conversation does not exist" in page
    (place,) = re.findall(r'name="conversation" value="([^"]+)"', page)
    again = browser.post("/ask/", {**body, "conversation": place}, follow=True)
    assert "The documents say so" in again.content.decode()


def test_a_question_to_a_project_that_is_gone_is_not_lost(cast: Cast) -> None:
    Membership.objects.filter(user=cast.alice).delete()
    body = {"conversation": str(uuid4()), "project": "support", "text": "And shoes?"}
    page = browser_of(cast.alice).post("/ask/", body).content.decode()
    assert ">\nAnd shoes?</textarea>" in page
    assert "There is no project 'support' here" in html.unescape(page)


def test_a_question_whose_form_is_too_old_or_of_a_session_that_is_over_is_shown_to_be_copied(cast: Cast) -> None:
    body = {"conversation": str(uuid4()), "project": "support", "text": "", "suggestion": "And <i>shoes</i>?"}
    strict = Client(enforce_csrf_checks=True)
    for client, reason in ((Client(), "Log in, and ask again"), (strict, "This form is too old")):
        response = client.post("/ask/", body)
        assert response.status_code == 403
        assert reason in response.content.decode()
        assert ">\nAnd &lt;i&gt;shoes&lt;/i&gt;?</textarea>" in response.content.decode()


def test_whoever_has_no_project_is_led_to_make_one(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).delete()
    assert 'action="/projects/"' in browser_of(cast.bob).get("/").content.decode()


def test_what_programs_ask_does_not_crowd_the_side_bar(cast: Cast, conversation: Conversation) -> None:
    async_to_sync(complete)(make_question(cast, "Which parcels take five working days to arrive?", origin="api"))
    page = browser_of(cast.alice).get("/").content.decode()
    assert REFUND in page
    assert "Which parcels" not in page


def test_a_deleted_conversation_leaves_nothing_in_redis(cast: Cast, conversation: Conversation) -> None:
    name = f"conversation:{conversation.id}:messages"
    assert sync_redis().exists(name)
    browser_of(cast.alice).post(f"/chat/{conversation.id}/delete/")
    assert not sync_redis().exists(name)


def test_a_form_from_before_a_log_in_is_told_so(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x", "password": "y"})
    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()


@pytest.mark.parametrize("path", ["/", "/conversations/", "/palette/"])
def test_who_only_wants_to_know_whether_a_page_is_there_is_told(cast: Cast, path: str) -> None:
    answer = browser_of(cast.alice).head(path)
    assert (answer.status_code, answer.content) == (200, b"")
