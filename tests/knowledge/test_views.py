"""knowledge/views.py: the documents page and a document's own page."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Membership, User
from knowledge.models import Document
from tests.conftest import HANDBOOK, Cast, add_document, browser_of
from tests.knowledge.conftest import found
from tests.knowledge.conftest import upload as upload_file

LIST = "/projects/support/documents/"
UPLOAD = f"{LIST}upload/"


def send(browser: Client, *files: tuple[str, bytes], slug: str = "support") -> Sequence[dict[str, object]]:
    """Upload as the page's script does; what became of each file."""
    response = browser.post(
        f"/projects/{slug}/documents/upload/",
        {"files": [SimpleUploadedFile(name, content) for name, content in files]},
        headers={"Accept": "application/json"},
    )
    assert response.status_code == 200
    results: list[dict[str, object]] = response.json()["files"]
    return results


def addresses(document: Document, slug: str = "support") -> dict[str, str]:
    names = {"document": "get", "original": "get", "delete-document": "post", "retry-document": "post"}
    return {reverse(name, args=[slug, document.id]): method for name, method in names.items()}


# --- What members see ---------------------------------------------------------------------------


def test_the_page_lists_the_documents_with_their_state(cast: Cast) -> None:
    add_document(cast.project)
    add_document(cast.project, b"broken\x00", "broken.md")
    page = browser_of(cast.alice).get(LIST).content.decode()
    assert "handbook.md" in page
    assert "Ready" in page
    assert "NUL bytes" in page
    assert 'aria-label="Try again: broken.md"' in page
    assert 'aria-label="Try again: handbook.md"' not in page


def test_an_empty_project_says_so(cast: Cast) -> None:
    assert "No documents yet." in browser_of(cast.alice).get(LIST).content.decode()


def test_a_viewer_sees_the_documents_and_no_buttons(cast: Cast) -> None:
    document = add_document(cast.project)
    page = browser_of(cast.bob).get(LIST).content.decode()
    assert "handbook.md" in page
    assert "data-upload" not in page
    assert str(reverse("delete-document", args=["support", document.id])) not in page


def test_a_documents_page_shows_its_chunks_with_an_anchor_for_each(cast: Cast) -> None:
    document = add_document(cast.project)
    page = browser_of(cast.bob).get(f"{LIST}{document.id}/").content.decode()
    assert "return goods within 30 days" in page
    assert "Refunds" in page
    for chunk in document.chunks.all():
        assert f'id="chunk-{chunk.id}"' in page


def test_a_documents_page_shows_what_searches_find_and_no_version_in_between(cast: Cast) -> None:
    document = add_document(cast.project, "Thirty days.")
    upload_file(cast.project, "Sixty days.")
    page = browser_of(cast.bob).get(f"{LIST}{document.id}/").content.decode()
    assert "Thirty days." in page
    assert "Sixty days." not in page


def test_what_a_document_says_is_shown_and_not_run(cast: Cast) -> None:
    document = add_document(cast.project, "<script>attack()</script> <img src=x onerror=attack()>", "<b>x</b>.md")
    browser = browser_of(cast.alice)
    for address in (LIST, f"{LIST}{document.id}/"):
        page = browser.get(address).content.decode()
        assert "<script>attack" not in page
        assert "<img src=x" not in page
        assert "<b>x</b>" not in page


def test_the_original_comes_back_byte_by_byte_as_a_download(cast: Cast) -> None:
    content = b"<script>attack()</script>\xff\xfe\x00"
    document, _ = upload_file(cast.project, content, 'folder/a "page".html')
    response = browser_of(cast.bob).get(f"{LIST}{document.id}/original/")
    assert b"".join(response.streaming_content) == content  # type: ignore[attr-defined]  # a FileResponse's
    assert response["Content-Disposition"] == 'attachment; filename="a \\"page\\".html"'
    assert response["X-Content-Type-Options"] == "nosniff"
    response.close()


def test_an_original_that_is_gone_from_the_storage_is_not_found(cast: Cast) -> None:
    document = add_document(cast.project)
    document.original.storage.delete(str(document.original.name))
    response = browser_of(cast.alice).get(f"{LIST}{document.id}/original/")
    assert response.status_code == 404
    assert "gone from the storage" in response.content.decode()


# --- Uploading ----------------------------------------------------------------------------------


def test_several_files_are_accepted_at_once_each_by_itself(cast: Cast, settings: Settings) -> None:
    settings.MAX_UPLOAD_MB = 1
    results = send(
        browser_of(cast.alice),
        ("a.md", b"Text."),
        ("a.exe", b"MZ"),
        ("empty.md", b""),
        ("big.txt", b"x" * (1024 * 1024 + 1)),
        ("b.txt", b"Text."),
    )
    assert [(result["name"], result["is_new"]) for result in results] == [
        *[("a.md", True), ("a.exe", False), ("empty.md", False), ("big.txt", False), ("b.txt", True)]
    ]
    problems = [str(result["error"]) for result in results if result["error"]]
    for problem, words in zip(problems, ["cannot be read yet", "empty", "1 MB is the limit"], strict=True):
        assert words in problem
    assert set(Document.objects.values_list("name", flat=True)) == {"a.md", "b.txt"}
    assert {document.uploaded_by for document in Document.objects.all()} == {cast.alice}


def test_more_than_twenty_files_at_once_wait_for_those_that_come_one_by_one(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    send(browser, *((f"many-{number}.md", b"Text %d." % number) for number in range(21)))
    send(browser, *((f"few-{number}.md", b"Few %d." % number) for number in range(20)))
    lanes = set(Document.objects.values_list("is_bulk", "name"))
    assert {name.split("-")[0] for is_bulk, name in lanes if is_bulk} == {"many"}
    assert {name.split("-")[0] for is_bulk, name in lanes if not is_bulk} == {"few"}


def test_the_same_bytes_under_another_name_are_said_and_accepted(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    send(browser, ("a.md", b"Text."))
    (again,) = send(browser, ("b.md", b"Text."))
    assert (again["is_new"], again["same_as"]) == (True, ["a.md"])
    address = reverse("upload", args=["support"])
    page = browser.post(address, {"files": [SimpleUploadedFile("c.md", b"Text.")]}, follow=True).content.decode()
    assert "c.md: the same content as a.md, b.md." in page


def test_the_same_file_again_is_told_to_be_nothing_new(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    first, again = send(browser, ("a.md", b"Text."))[0], send(browser, ("a.md", b"Text."))[0]
    assert (again["id"], again["is_new"], again["error"]) == (first["id"], False, None)


def test_without_a_script_the_page_tells_what_became_of_each_file(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    send(browser, ("a.md", b"Text."))
    files = [SimpleUploadedFile("a.md", b"Text."), SimpleUploadedFile("a.exe", b"MZ")]
    page = browser.post(UPLOAD, {"files": files}, follow=True).content.decode()
    assert "a.md: the same file is here already." in page
    assert "a.exe: &#x27;.exe&#x27; files cannot be read yet." in page


def test_no_file_at_all_is_said_so(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    assert browser.post(UPLOAD, headers={"Accept": "application/json"}).status_code == 400
    assert "Choose at least one file." in browser.post(UPLOAD, follow=True).content.decode()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd.md", "passwd.md"), ("inv\u202efdp.md", "invfdp.md"), ("C:\\a\\b.md", "b.md")],
)
def test_a_name_from_a_browser_is_made_fit_to_show(cast: Cast, name: str, shown: str) -> None:
    assert send(browser_of(cast.alice), (name, b"Text."))[0]["name"] == shown


def test_a_long_name_from_a_browser_keeps_its_ending(cast: Cast) -> None:
    (result,) = send(browser_of(cast.alice), ("n" * 300 + ".md", b"Text."))
    assert result["error"] is None
    assert str(result["name"]).endswith(".md")


def test_a_form_from_another_site_is_refused(cast: Cast) -> None:
    document = add_document(cast.project)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert browser.post(UPLOAD, {"files": SimpleUploadedFile("a.md", b"Text.")}).status_code == 403
    assert browser.post(f"{LIST}{document.id}/delete/").status_code == 403
    assert list(Document.objects.all()) == [document]


# --- Deleting and trying again ------------------------------------------------------------------


def test_deleting_leads_back_to_the_list_and_says_what_was_deleted(cast: Cast) -> None:
    document = add_document(cast.project)
    page = browser_of(cast.alice).post(f"{LIST}{document.id}/delete/", follow=True).content.decode()
    assert "handbook.md was deleted." in page
    assert not Document.objects.exists()
    assert found(cast.project) == ""


def test_trying_again_queues_a_failed_document(cast: Cast) -> None:
    document = add_document(cast.project, b"broken\x00")
    response = browser_of(cast.alice).post(f"{LIST}{document.id}/retry/")
    assert response.status_code == 302
    assert Document.objects.get().state == "queued"


def test_nothing_is_changed_by_following_a_link(cast: Cast) -> None:
    document = add_document(cast.project)
    browser = browser_of(cast.alice)
    for address in (UPLOAD, f"{LIST}{document.id}/delete/", f"{LIST}{document.id}/retry/"):
        assert browser.get(address).status_code == 405
    assert Document.objects.get().state == "ready"


# --- Who may not --------------------------------------------------------------------------------


def test_a_viewer_may_read_and_change_nothing(cast: Cast) -> None:
    document = add_document(cast.project)
    browser = browser_of(cast.bob)
    for address, method in addresses(document).items():
        response = getattr(browser, method)(address)
        assert response.status_code == (200 if method == "get" else 403), address
        response.close()
    assert browser.post(UPLOAD, {"files": SimpleUploadedFile("a.md", b"Text.")}).status_code == 403
    document.refresh_from_db()
    assert (document.state, Document.objects.count()) == ("ready", 1)


def test_an_editor_may_upload(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).update(role="editor")
    assert send(browser_of(cast.bob), ("a.md", b"Text."))[0]["is_new"]


@pytest.mark.parametrize("slug", ["support", "secret"])
def test_to_mallory_no_document_of_another_project_exists_at_any_address(cast: Cast, slug: str) -> None:
    """Neither under its own project nor, by its id, under hers; and an id that nobody has looks the same."""
    document = add_document(cast.project, HANDBOOK, "top-secret.md")
    browser = browser_of(cast.mallory)
    absent = Document(id=uuid.uuid4())
    for (address, method), other in zip(addresses(document, slug).items(), addresses(absent, slug), strict=True):
        response, nothing = getattr(browser, method)(address), getattr(browser, method)(other)
        assert (response.status_code, nothing.status_code) == (404, 404), address
        assert b"top-secret" not in response.content
        assert b"30 days" not in response.content
        assert _main(response.content) == _main(nothing.content)
    assert Document.objects.get().state == "ready"


def test_to_mallory_the_projects_own_pages_do_not_exist(cast: Cast) -> None:
    add_document(cast.project)
    browser = browser_of(cast.mallory)
    assert browser.get(LIST).status_code == 404
    response = browser.post(UPLOAD, {"files": SimpleUploadedFile("a.md", b"Text.")})
    assert response.status_code == 404
    assert b"Support" not in response.content
    assert Document.objects.count() == 1


def test_a_document_is_not_shown_under_another_project_of_ones_own(cast: Cast) -> None:
    document = add_document(cast.project)
    Membership.objects.create(project=cast.foreign, user=cast.alice, role="owner")
    browser = browser_of(cast.alice)
    for address, method in addresses(document, "secret").items():
        assert getattr(browser, method)(address).status_code == 404, address
    assert Document.objects.get().state == "ready"


@pytest.mark.parametrize("who", ["nobody", "switched off"])
def test_who_is_not_logged_in_is_led_to_the_login(cast: Cast, who: str) -> None:
    document = add_document(cast.project)
    browser = Client()
    if who == "switched off":
        browser = browser_of(cast.alice)
        User.objects.filter(id=cast.alice.id).update(is_active=False)
    for address, method in {LIST: "get", UPLOAD: "post", **addresses(document)}.items():
        response = getattr(browser, method)(address)
        assert response.status_code == 302, address
        assert response.headers["Location"].startswith("/accounts/login/")


def _main(page: bytes) -> bytes:
    """A page without what differs by address."""
    return page[page.index(b"<main") : page.index(b"</main>")]


def test_a_long_document_is_shown_around_the_passage_that_was_asked_for(cast: Cast) -> None:
    text = "\n\n".join(f"# Part {number}\n\nThe machine number {number} has a valve." for number in range(500))
    document = add_document(cast.project, text, "machines.md")
    chunk = document.chunks.get(position=450)
    address = f"/projects/support/documents/{document.id}/"
    page = browser_of(cast.alice).get(f"{address}?chunk={chunk.id}").content.decode()
    assert f'id="chunk-{chunk.id}"' in page
    assert "500 chunks" in page
    assert "Earlier" in page
    first = browser_of(cast.alice).get(address).content.decode()
    assert "machine number 0 " in first
    assert "Later" in first
    for nonsense in ("?chunk=nonsense", "?from=-1", "?from=99999999999999999999"):
        assert browser_of(cast.alice).get(address + nonsense).status_code == 200
