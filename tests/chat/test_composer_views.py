"""chat/composer_views.py: files in a conversation, and how far they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.models import Membership, User
from chat.attaching import KEPT_UNSENT
from chat.models import Conversation
from chat.tasks import forget_unsent_files
from knowledge import ingestion, services
from knowledge.models import Document
from providers import outages
from providers.registry import get_chat_model
from tests.conftest import Cast, add_document, browser_of, complete, make_question
from tests.upstream import Upstream

BROKEN = b"this is no PDF"


def send(user: User, place: UUID, name: str = "deal.md", content: bytes = b"Secret.", project: str = "support") -> Any:
    """Any: a test's response, with `json()`."""
    fields = {"file": SimpleUploadedFile(name, content), "project": project}
    return browser_of(user).post(f"/chat/{place}/files/", fields)


def listed(user: User, place: UUID, query: str = "") -> Any:
    """Any: JSON."""
    return browser_of(user).get(f"/chat/{place}/files/{query}").json()["files"]


@pytest.fixture
def place() -> UUID:
    """A conversation that has not begun."""
    return uuid4()


def test_a_viewer_attaches_a_file_to_a_conversation_that_has_not_begun(cast: Cast, place: UUID) -> None:
    response = send(cast.bob, place)
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["state"]) == ("deal.md", "queued")
    document = Document.objects.get()
    assert (document.attached_to, document.uploaded_by, document.is_bulk) == (place, cast.bob, False)
    ingestion.ingest(document.id)
    assert [(file["state"], file["is_finished"]) for file in listed(cast.bob, place)] == [("ready", True)]
    assert listed(cast.alice, place) == []


def test_a_begun_conversation_takes_files_from_its_owner_only_and_into_its_own_project(cast: Cast) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, "How many days?"))
    begun = Conversation.objects.get()
    assert send(cast.alice, begun.id, project="whatever").status_code == 201
    for user in (cast.bob, cast.mallory):
        assert send(user, begun.id, name="mine.md").status_code == 404
        assert listed(user, begun.id) == []
    assert Document.objects.get(attached_to=begun.id).project == cast.project


def test_who_may_not_read_the_project_attaches_nothing(cast: Cast, place: UUID) -> None:
    assert send(cast.mallory, place).status_code == 404
    assert send(cast.alice, place, project="secret").status_code == 404
    assert not Document.objects.exists()


def test_a_file_that_cannot_be_taken_says_why(cast: Cast, place: UUID) -> None:
    for name, content, reason in (("a.exe", b"x", "exe"), ("empty.md", b"", "empty")):
        response = send(cast.alice, place, name, content)
        assert 400 <= response.status_code < 500
        assert reason in response.json()["error"]
        assert len(response.json()["error"]) < 160
        assert response.json()["retryable"] is False
    nothing = browser_of(cast.alice).post(f"/chat/{place}/files/", {"project": "support"})
    assert (nothing.status_code, nothing.json()["error"]) == (400, "Choose a file first.")
    assert listed(cast.alice, place) == []


def test_a_file_that_cannot_be_read_says_why_and_is_read_again(cast: Cast, place: UUID) -> None:
    document = Document.objects.get(id=send(cast.alice, place, "broken.pdf", BROKEN).json()["id"])
    ingestion.ingest(document.id)
    (failed,) = listed(cast.alice, place)
    assert (failed["state"], failed["error"]) == ("failed", "The file is not a PDF, though its name says so.")
    assert failed["retryable"] is False  # it will be none tomorrow either
    Document.objects.update(error_code="provider_unreachable")
    assert listed(cast.alice, place)[0]["retryable"] is True
    address = f"/chat/{place}/files/{document.id}/retry/"
    assert browser_of(cast.bob).post(address).status_code == 404
    assert browser_of(cast.alice).post(address).json()["state"] == "queued"


def test_a_removed_file_is_deleted_and_only_its_owner_removes_it(cast: Cast, place: UUID) -> None:
    document = send(cast.bob, place).json()["id"]
    address = f"/chat/{place}/files/{document}/remove/"
    for user in (cast.alice, cast.mallory):
        assert browser_of(user).post(address).status_code == 404
    assert browser_of(cast.bob).post(f"/chat/{uuid4()}/files/{document}/remove/").status_code == 404
    assert browser_of(cast.bob).post(address).status_code == 200
    assert not Document.objects.exists()


def test_a_document_of_the_project_is_not_removed_by_this_door(cast: Cast, place: UUID) -> None:
    document = add_document(cast.project)
    assert browser_of(cast.alice).post(f"/chat/{place}/files/{document.id}/remove/").status_code == 404
    assert Document.objects.exists()


def test_documents_of_the_project_are_followed_by_their_ids(cast: Cast, place: UUID) -> None:
    document = add_document(cast.project)
    query = f"?project=support&document={document.id}"
    assert [(file["name"], file["is_attached"]) for file in listed(cast.bob, place, query)] == [("handbook.md", False)]
    assert browser_of(cast.mallory).get(f"/chat/{place}/files/{query}").status_code == 404
    assert browser_of(cast.bob).get(f"/chat/{place}/files/?project=support&document=x").status_code == 400


def test_how_many_documents_are_still_being_read(cast: Cast, place: UUID) -> None:
    add_document(cast.project)
    send(cast.alice, place)  # an attached one is none of the project's
    client = browser_of(cast.bob)
    assert client.get("/projects/support/reading/").json() == {"documents": 1, "unfinished": 0}
    assert browser_of(cast.mallory).get("/projects/support/reading/").status_code == 404


def test_a_removed_member_has_no_files_here_any_more(cast: Cast, place: UUID) -> None:
    send(cast.bob, place)
    Membership.objects.filter(user=cast.bob).delete()
    assert listed(cast.bob, place) == []


def test_files_of_a_question_that_was_never_asked_are_deleted_after_a_week(cast: Cast, place: UUID) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, "How many days?"))
    begun = Conversation.objects.get().id
    for where in (begun, place):
        send(cast.alice, where, name="kept.md")
    forget_unsent_files()
    assert Document.objects.filter(attached_to=place).exists()
    Document.objects.update(created_at=timezone.now() - KEPT_UNSENT - timedelta(hours=1))
    forget_unsent_files()
    assert not Document.objects.filter(attached_to=place).exists()
    assert Document.objects.filter(attached_to=begun).exists()
    assert Document.objects.filter(name="handbook.md").exists()


def test_a_stranger_is_asked_to_log_in(db: None, client: Any, place: UUID) -> None:
    assert client.get(f"/chat/{place}/files/").status_code == 302
    assert client.post(f"/chat/{place}/files/").status_code == 302


# --- Before the first question --------------------------------------------------------------------


def home(user: User, slug: str = "support") -> str:
    return browser_of(user).get(f"/?project={slug}").content.decode()


def test_who_has_no_project_is_shown_how_to_make_one(cast: Cast) -> None:
    newcomer = User.objects.create_user("carol@example.org", "correct horse 9")
    page = home(newcomer)
    assert "Make your first project" in page
    assert 'action="/projects/"' in page


def test_an_empty_project_offers_its_editors_to_add_documents_and_its_viewers_to_drop_their_own(cast: Cast) -> None:
    send(cast.bob, uuid4())  # no document of the project
    assert "Add documents" in home(cast.alice)
    assert "Add documents" not in home(cast.bob)
    assert "You can drop files of your own here" in home(cast.bob)


def test_the_page_says_how_many_documents_are_still_being_read(cast: Cast) -> None:
    add_document(cast.project)
    assert "still being read" not in home(cast.bob)
    services.upload(project=cast.project, name="more.md", file=SimpleUploadedFile("more.md", b"More."))
    assert "1 of 2 documents are still being read" in home(cast.bob)


def test_without_a_model_the_page_tells_the_line_that_configures_one(cast: Cast) -> None:
    page = home(cast.alice)
    assert "No language model is configured." in page
    assert "OPENAI_API_KEY=" in page
    assert 'name="model"' not in page


def test_several_models_are_offered_with_the_prices_that_are_known(
    cast: Cast, upstream: Upstream, settings: Settings
) -> None:
    assert 'name="model"' not in home(cast.alice)
    settings.CHAT_MODELS = ["gpt-4o-mini", "<b>"]
    page = home(cast.alice)
    assert "No language model is configured." not in page
    assert "<option>gpt-4o-mini</option><option>&lt;b&gt;</option>" in page
    assert 'data-prices="{&quot;gpt-4o-mini&quot;: 0.15}"' in page


SILENT = "The language model does not answer."


def is_silent(user: User) -> bool:
    found: bool = browser_of(user).get("/model/").json()["is_silent"]
    return found


def test_a_model_that_was_silent_is_told_of_before_one_asks_until_it_answers(cast: Cast, upstream: Upstream) -> None:
    add_document(cast.project)
    ask = async_to_sync(complete)
    assert SILENT not in home(cast.bob)
    upstream.enqueue(status=503)
    ask(make_question(cast, "How many days?"))
    assert SILENT in home(cast.bob)
    assert is_silent(cast.bob)
    ask(make_question(cast, "How many days then?"))
    assert SILENT not in home(cast.bob)
    assert not is_silent(cast.bob)


def test_a_silent_model_is_looked_at_again_and_no_other_is(
    cast: Cast, upstream: Upstream, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_document(cast.project)
    monkeypatch.setattr(outages, "LOOK_EVERY", 0)
    upstream.enqueue(status=503)
    async_to_sync(complete)(make_question(cast, "How many days?"))
    assert not is_silent(cast.bob)
    assert SILENT not in home(cast.bob)
    settings.OPENAI_BASE_URL = "http://127.0.0.1:1/v1"
    get_chat_model.cache_clear()
    assert not is_silent(cast.bob)  # nobody has asked it
    async_to_sync(complete)(make_question(cast, "How many days then?"))
    assert is_silent(cast.bob)
    assert SILENT in home(cast.bob)


def test_without_redis_nothing_is_said_of_the_model(cast: Cast, upstream: Upstream, settings: Settings) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "unix:///nowhere/redis.sock?db=0"}
    settings.CACHES = {"default": away}
    assert SILENT not in home(cast.bob)


def test_a_conversation_with_files_says_so(cast: Cast) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, "How many days?"))
    begun = Conversation.objects.get().id
    client = browser_of(cast.alice)
    assert 'data-has-files="no"' in client.get(f"/chat/{begun}/").content.decode()
    send(cast.alice, begun)
    assert 'data-has-files="yes"' in client.get(f"/chat/{begun}/").content.decode()
