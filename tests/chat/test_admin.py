from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.models import User
from chat.models import Conversation
from tests.conftest import Cast, add_document, browser_of, complete, make_question


@pytest.fixture
def curator(cast: Cast) -> Client:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, "How many days do customers have to return goods?"))
    return browser_of(User.objects.create_superuser("root@example.org", "correct horse 9"))


def test_conversations_can_be_found_and_read_but_not_changed(curator: Client) -> None:
    found = curator.get("/admin/chat/conversation/?q=return+goods").content.decode()
    assert "How many days do customers" in found
    conversation = Conversation.objects.get()
    address = f"/admin/chat/conversation/{conversation.id}/change/"
    assert "within 30 days" in curator.get(address).content.decode()
    assert curator.post(address, {"title": "changed"}).status_code == 403
    assert curator.get("/admin/chat/conversation/add/").status_code == 403


def test_the_admin_is_for_staff(cast: Cast) -> None:
    assert browser_of(cast.alice).get("/admin/").status_code == 302
