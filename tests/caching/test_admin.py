"""caching/admin.py: the exact cache in the admin, though its entries lie in Redis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.http import urlencode

from accounts.models import User
from caching import exact
from caching.types import CachedAnswer
from core.redis import sync_redis
from tests.conftest import PASSWORD, Cast, browser_of

ADMIN = "/admin/caching/exactentry/"


@pytest.fixture
def administrator(cast: Cast) -> Client:
    return browser_of(User.objects.create_superuser("admin@example.org", PASSWORD))


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("staff@example.org", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return browser_of(user)


def store(question: str, project_id: UUID, text: str = "Thirty days [1].", age: int = 0) -> str:
    """Keep an answer; its id in the list."""
    now = datetime.now(UTC) - timedelta(seconds=age)
    answer = CachedAnswer(
        project_id=project_id,
        question=question,
        text=text,
        sources=(),
        model="gpt-x",
        prompt_tokens=1,
        completion_tokens=1,
        corpus_version=1,
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    key = uuid4().hex
    async_to_sync(exact.store)(key, answer)
    return f"{project_id}:{key}"


def page_of(entry_id: str, action: str = "change") -> str:
    """The admin quotes colons in an address."""
    return f"{ADMIN}{entry_id.replace(':', '_3A')}/{action}/"


def test_entries_are_listed_newest_first_with_their_project(cast: Cast, administrator: Client) -> None:
    store("The older question?", cast.project.id, age=60)
    store("The newer question?", cast.foreign.id)
    store("Of a project that is gone?", uuid4(), age=120)
    page = administrator.get(ADMIN).content.decode()
    places = [page.index(text) for text in ("The newer question?", "The older question?", "Of a project that is gone?")]
    assert places == sorted(places)
    for words in ("Support", "Secret", "(deleted)", "gpt-x"):
        assert words in page


def test_an_empty_cache_is_an_empty_list(administrator: Client) -> None:
    assert administrator.get(ADMIN).status_code == 200


def test_entries_are_searched_by_their_words(cast: Cast, administrator: Client) -> None:
    store("How many days?", cast.project.id)
    store("Where is the office?", cast.project.id, text="In BERGEN [1].")
    page = administrator.get(f"{ADMIN}?{urlencode({'q': 'bergen'})}").content.decode()
    assert "Where is the office?" in page
    assert "How many days?" not in page


def test_a_long_list_has_pages(cast: Cast, administrator: Client) -> None:
    for number in range(105):
        store(f"Question number {number:03d}?", cast.project.id, age=number)
    first, second = administrator.get(ADMIN).content.decode(), administrator.get(f"{ADMIN}?p=2").content.decode()
    assert "Question number 000?" in first
    assert "Question number 104?" not in first
    assert "Question number 104?" in second
    assert administrator.get(f"{ADMIN}?p=99").status_code == 302


def test_an_entry_is_shown_whole_and_cannot_be_written(cast: Cast, administrator: Client) -> None:
    entry_id = store("How <b>many</b> days?", cast.project.id, text="<script>attack()</script>")
    page = administrator.get(page_of(entry_id)).content.decode()
    assert "How &lt;b&gt;many&lt;/b&gt; days?" in page
    assert "<script>attack()" not in page
    assert administrator.post(page_of(entry_id), {"answer": "changed"}).status_code == 403
    assert administrator.get(f"{ADMIN}add/").status_code == 403
    kept = exact.get_entry(entry_id)
    assert kept is not None
    assert kept.text == "<script>attack()</script>"


def test_an_entry_that_is_gone_leads_back(administrator: Client) -> None:
    assert administrator.get(page_of(f"{uuid4()}:gone")).status_code == 302


def test_one_entry_is_deleted(cast: Cast, administrator: Client) -> None:
    entry_id, other = store("How many days?", cast.project.id), store("Another?", cast.project.id)
    assert "How many days?" in administrator.get(page_of(entry_id, "delete")).content.decode()
    administrator.post(page_of(entry_id, "delete"), {"post": "yes"})
    assert exact.get_entry(entry_id) is None
    assert exact.get_entry(other) is not None


def test_selected_entries_are_deleted(cast: Cast, administrator: Client) -> None:
    ids = [store(f"Question {number}?", cast.project.id) for number in range(3)]
    body = {"action": "forget", "_selected_action": ids[:2]}
    assert "2 deleted." in administrator.post(ADMIN, body, follow=True).content.decode()
    assert [entry_id for entry_id, _ in exact.list_entries()] == ids[2:]


def test_who_may_only_look_cannot_delete(cast: Cast) -> None:
    entry_id = store("How many days?", cast.project.id)
    browser = staff("view_exactentry")
    assert "How many days?" in browser.get(ADMIN).content.decode()
    assert browser.post(page_of(entry_id, "delete"), {"post": "yes"}).status_code == 403
    browser.post(ADMIN, {"action": "forget", "_selected_action": [entry_id]})
    assert exact.get_entry(entry_id) is not None


def test_without_rights_nothing_is_shown(cast: Cast) -> None:
    entry_id = store("How many days?", cast.project.id)
    browser = staff()
    for address in (ADMIN, page_of(entry_id), page_of(entry_id, "delete")):
        response = browser.get(address)
        assert response.status_code == 403, address
        assert b"How many days?" not in response.content
    assert browser_of(cast.mallory).get(ADMIN).status_code == 302


def test_a_value_that_cannot_be_read_does_not_stop_the_list(cast: Cast, administrator: Client) -> None:
    store("How many days?", cast.project.id)
    sync_redis().set(f"polyai:exact:{cast.project.id}:broken", b"broken")
    assert "How many days?" in administrator.get(ADMIN).content.decode()


def test_without_redis_the_list_says_so(administrator: Client, dead_redis: str) -> None:
    page = administrator.get(ADMIN)
    assert page.status_code == 200
    assert "Redis does not answer" in page.content.decode()


def test_without_redis_an_entry_and_its_deletion_are_no_server_error(administrator: Client, dead_redis: str) -> None:
    entry_id = f"{uuid4()}:{uuid4().hex}"
    assert administrator.get(page_of(entry_id)).status_code < 500
    assert administrator.post(ADMIN, {"action": "forget", "_selected_action": [entry_id]}).status_code < 500
