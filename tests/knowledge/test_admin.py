"""knowledge/admin.py: documents for the curator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from knowledge import services
from knowledge.models import Chunk, Document, KnowledgePolicy, SyncedFile
from tests.conftest import PASSWORD, Cast, add_document, browser_of
from tests.knowledge.conftest import found

ADMIN = "/admin/knowledge/document/"


@pytest.fixture
def curator(cast: Cast) -> Client:
    """An administrator."""
    return browser_of(User.objects.create_superuser("curator@example.org", PASSWORD))


def staff(*codenames: str) -> Client:
    """Somebody who may open the admin, and has these rights in it."""
    user = User.objects.create_user("staff@example.org", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return browser_of(user)


def test_documents_are_listed_with_their_state(cast: Cast, curator: Client) -> None:
    add_document(cast.project)
    add_document(cast.project, b"broken\x00", "broken.md")
    page = curator.get(ADMIN).content.decode()
    assert "handbook.md" in page
    assert "Ready" in page
    failed = curator.get(ADMIN, {"state__exact": "failed"}).content.decode()
    assert "broken.md" in failed
    assert "handbook.md" not in failed
    assert "broken.md" in curator.get(ADMIN, {"q": "NUL bytes"}).content.decode()


def test_a_documents_page_shows_its_chunks_and_lets_nobody_write_in_them(cast: Cast, curator: Client) -> None:
    document = add_document(cast.project)
    page = curator.get(f"{ADMIN}{document.id}/change/").content.decode()
    assert "return goods within 30 days" in page
    curator.post(f"{ADMIN}{document.id}/change/", {"name": "other.md"})
    document.refresh_from_db()
    assert document.name == "handbook.md"


def test_adding_is_uploading_any_number_of_files(cast: Cast, curator: Client) -> None:
    assert "Upload documents" in curator.get(f"{ADMIN}add/").content.decode()
    files = [SimpleUploadedFile("a.md", b"Text."), SimpleUploadedFile("a.exe", b"MZ"), SimpleUploadedFile("b.md", b"B")]
    response = curator.post(f"{ADMIN}add/", {"project": cast.project.id, "files": files}, follow=True)
    page = response.content.decode()
    assert set(Document.objects.values_list("name", flat=True)) == {"a.md", "b.md"}
    assert "a.md was queued." in page
    assert "a.exe: &#x27;.exe&#x27; files cannot be read yet." in page


@pytest.mark.parametrize("body", [{}, {"files": ""}])
def test_an_upload_without_a_file_is_asked_for_one(cast: Cast, curator: Client, body: dict[str, str]) -> None:
    response = curator.post(f"{ADMIN}add/", {"project": cast.project.id, **body})
    assert response.status_code == 200
    assert "Choose at least one file." in response.content.decode()


def test_a_deleted_document_is_gone_from_search_and_storage(
    cast: Cast, curator: Client, tmp_path: Path, corpus_version: Callable[[], int]
) -> None:
    document = add_document(cast.project)
    response = curator.post(f"{ADMIN}{document.id}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert not Document.objects.exists()
    assert found(cast.project) == ""
    assert corpus_version() == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_many_documents_are_deleted_at_once(
    cast: Cast, curator: Client, tmp_path: Path, corpus_version: Callable[[], int]
) -> None:
    documents = [add_document(cast.project, name=f"{number}.md") for number in range(3)]
    body = {"action": "delete_selected", "_selected_action": [str(d.id) for d in documents[:2]], "post": "yes"}
    before = corpus_version()
    curator.post(ADMIN, body)
    assert list(Document.objects.all()) == documents[2:]
    assert corpus_version() > before
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_project_deleted_in_the_admin_takes_its_documents_and_their_files_with_it(
    cast: Cast, curator: Client, tmp_path: Path
) -> None:
    add_document(cast.project)
    other = add_document(cast.foreign, "The secret is 42.")
    response = curator.post(f"/admin/accounts/project/{cast.project.id}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert list(Document.objects.all()) == [other]
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"The secret is 42."]


def test_failed_documents_are_queued_again_together(cast: Cast, curator: Client) -> None:
    documents = [add_document(cast.project, b"broken\x00", f"{number}.md") for number in range(2)]
    body = {"action": "retry_selected", "_selected_action": [str(document.id) for document in documents]}
    assert "2 documents queued again." in curator.post(ADMIN, body, follow=True).content.decode()
    assert set(Document.objects.values_list("state", flat=True)) == {"queued"}


def test_staff_without_rights_can_see_and_change_nothing(cast: Cast) -> None:
    document = add_document(cast.project, b"broken\x00", "broken.md")
    browser = staff()
    for address in (ADMIN, f"{ADMIN}add/", f"{ADMIN}{document.id}/change/", f"{ADMIN}{document.id}/delete/"):
        assert browser.get(address).status_code == 403, address
    assert Document.objects.get().state == "failed"


def test_staff_who_may_only_look_cannot_try_again(cast: Cast) -> None:
    document = add_document(cast.project, b"broken\x00", "broken.md")
    browser = staff("view_document", "view_chunk")
    assert browser.get(f"{ADMIN}{document.id}/change/").status_code == 200
    browser.post(ADMIN, {"action": "retry_selected", "_selected_action": [str(document.id)]})
    assert Document.objects.get().state == "failed"


def test_who_is_no_staff_is_led_to_the_login(cast: Cast) -> None:
    assert browser_of(cast.alice).get(ADMIN).status_code == 302


def test_chunks_are_searched_and_never_written(cast: Cast, curator: Client) -> None:
    add_document(cast.project)
    add_document(cast.project, "The office is in Bergen.", "office.md")
    chunk = Chunk.objects.get(document__name="office.md")
    base = "/admin/knowledge/chunk/"
    page = curator.get(base, {"q": "bergen"}).content.decode()
    assert "The office is in Bergen." in page
    assert "30 days" not in page
    assert curator.get(f"{base}{chunk.id}/change/").status_code == 200
    assert curator.post(f"{base}{chunk.id}/change/", {"text": "changed"}).status_code == 403
    assert curator.post(f"{base}{chunk.id}/delete/", {"post": "yes"}).status_code == 403
    assert curator.get(f"{base}add/").status_code == 403
    chunk.refresh_from_db()
    assert chunk.text == "The office is in Bergen."


def test_documents_are_filtered_by_kind_and_tag_and_show_why_they_failed(cast: Cast, curator: Client) -> None:
    services.set_tags([add_document(cast.project)], add=["Legal"])
    add_document(cast.project, b"broken\x00", "broken.txt")
    assert "NUL bytes" in curator.get(ADMIN).content.decode()
    for query in ({"kind": "md"}, {"tag": "Legal"}):
        page = curator.get(ADMIN, query).content.decode()
        assert "handbook.md" in page
        assert "broken.txt" not in page


def test_many_documents_are_tried_again_or_cancelled(cast: Cast, curator: Client) -> None:
    ids = [add_document(cast.project, b"broken\x00", f"{n}.md").id for n in range(2)]
    for action, state in (("retry_selected", "queued"), ("cancel_selected", "cancelled")):
        page = curator.post(ADMIN, {"action": action, "_selected_action": ids}, follow=True).content.decode()
        assert f"2 documents {'queued again' if state == 'queued' else 'cancelled'}." in page
        assert set(Document.objects.values_list("state", flat=True)) == {state}


def test_a_document_leads_to_its_page_and_to_the_playground(cast: Cast, curator: Client) -> None:
    document = add_document(cast.project)
    page = curator.get(f"{ADMIN}{document.id}/change/").content.decode()
    assert "Search playground" in page
    response = curator.get(f"{ADMIN}{document.id}/playground/")
    assert response.headers["Location"] == "/projects/support/search/?document=handbook.md"


def test_the_curator_sees_policies_and_synced_files_and_may_free_a_file(cast: Cast, curator: Client) -> None:
    document = add_document(cast.project)
    KnowledgePolicy.objects.create(project=cast.project, max_documents=77)
    SyncedFile.objects.create(document=document, folder="/srv/handbooks", size=1, modified_ns=1)
    policies, synced = "/admin/knowledge/knowledgepolicy/", "/admin/knowledge/syncedfile/"
    assert "77" in curator.get(policies).content.decode()
    assert "/srv/handbooks" in curator.get(synced, {"q": "handbook.md"}).content.decode()
    for address in (f"{policies}{cast.project.id}/", f"{synced}{document.id}/"):
        assert curator.get(f"{address}change/").status_code == 200
        assert curator.post(f"{address}change/", {"max_documents": 1}).status_code == 403
    assert curator.get(f"{policies}add/").status_code == curator.get(f"{synced}add/").status_code == 403
    assert curator.post(f"{policies}{cast.project.id}/delete/", {"post": "yes"}).status_code == 403
    curator.post(f"{synced}{document.id}/delete/", {"post": "yes"})
    assert not SyncedFile.objects.exists()
    assert Document.objects.get() == document
