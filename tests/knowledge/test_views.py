"""knowledge/views.py: the documents page and a document's own page."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Membership, User
from knowledge import services
from knowledge.models import Document
from tests.conftest import HANDBOOK, Cast, add_document, browser_of
from tests.knowledge.conftest import found
from tests.knowledge.conftest import upload as upload_file
from tests.knowledge.files import make_pdf

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
    names = {"document": "get", "original": "get"}
    names |= dict.fromkeys(("delete-document", "retry-document", "cancel-document", "describe-document"), "post")
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


def test_a_document_is_read_as_a_whole_and_as_its_chunks(cast: Cast) -> None:
    document = add_document(cast.project)
    browser = browser_of(cast.bob)
    text = browser.get(f"{LIST}{document.id}/").content.decode()
    assert "return goods within 30 days" in text
    assert "<h1>Refunds</h1>" in text
    chunks = browser.get(f"{LIST}{document.id}/?view=chunks").content.decode()
    for chunk in document.chunks.all():
        assert f'id="chunk-{chunk.id}"' in chunks
        assert f"{len(chunk.text)} characters" in chunks


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
    assert f'<mark id="chunk-{chunk.id}">Part 450</mark>' in page
    assert "<mark>The machine number 450 has a valve.</mark>" in page
    assert page.count("<mark") == 2
    assert "500 chunks" in page
    assert "Earlier" in page
    first = browser_of(cast.alice).get(address).content.decode()
    assert "machine number 0 " in first
    assert "Later" in first
    for nonsense in ("?chunk=nonsense", "?from=-1", "?from=99999999999999999999"):
        assert browser_of(cast.alice).get(address + nonsense).status_code == 200


# --- Many documents -----------------------------------------------------------------------------


def fill(cast: Cast, count: int, **fields: object) -> None:
    """Rows as ingestion leaves them, without files."""
    made = (
        Document(project=cast.project, name=f"{n:05}.md", kind="md", size=n, content_hash="", state="ready", **fields)
        for n in range(count)
    )
    Document.objects.bulk_create(made)


def names_of(browser: Client, query: str) -> list[str]:
    return [document.name for document in browser.get(f"{LIST}?{query}").context["documents"]]


def test_ten_thousand_documents_are_shown_page_by_page(cast: Cast) -> None:
    fill(cast, 10_000)
    browser = browser_of(cast.alice)
    assert names_of(browser, "sort=name") == [f"{n:05}.md" for n in range(50)]
    assert names_of(browser, "sort=name&page=200")[-1] == "09999.md"
    page = browser.get(f"{LIST}?sort=name&page=2").content.decode()
    assert "51 to 100 of 10,000" in page
    assert names_of(browser, "sort=largest")[0] == "09999.md"
    assert names_of(browser, "page=nonsense&sort=nonsense&state=nonsense")


def test_documents_are_found_by_name_tag_and_error_and_filtered(cast: Cast) -> None:
    add_document(cast.project)
    broken = add_document(cast.project, b"broken\x00", "broken.md")
    add_document(cast.project, "Text.", "plain.txt")
    services.set_tags([broken], add=["Legal & tax"])
    browser = browser_of(cast.bob)
    for query in ("q=BROKEN", "q=NUL", "q=legal", "state=failed", "tag=Legal+%26+tax", "state=failed&kind=md"):
        assert names_of(browser, query) == ["broken.md"], query
    assert names_of(browser, "kind=txt") == ["plain.txt"]
    assert names_of(browser, "state=unfinished") == []
    assert "No document matches" in browser.get(f"{LIST}?q=%00nowhere").content.decode()
    assert "Legal &amp; tax (1)" in browser.get(LIST).content.decode()


def bulk(browser: Client, query: str = "", **fields: object) -> dict[str, Any]:
    response = browser.post(f"{LIST}bulk/?{query}", fields, headers={"Accept": "application/json"})
    told: dict[str, Any] = response.json()
    return told


def test_deleting_many_asks_with_their_number_and_only_then_deletes(cast: Cast) -> None:
    fill(cast, 12)
    chosen = [str(id_) for id_ in Document.objects.order_by("name").values_list("id", flat=True)[:11]]
    browser = browser_of(cast.alice)
    page = browser.post(f"{LIST}bulk/", {"action": "delete", "documents": chosen}).content.decode()
    assert "Delete these 11 documents?" in page
    assert "and 1 more" in page
    asked = bulk(browser, action="delete", documents=chosen)
    assert asked["count"] == 11
    assert bulk(browser, action="delete", documents=chosen, confirmed="10")["count"] == 11  # there are others now
    assert Document.objects.count() == 12
    assert bulk(browser, action="delete", documents=chosen, confirmed="11") == {"message": "11 documents deleted."}
    assert Document.objects.get().name == "00011.md"


def test_all_that_match_can_be_changed_at_once(cast: Cast) -> None:
    fill(cast, 60)
    Document.objects.filter(name__gte="00050").update(state="failed")
    browser = browser_of(cast.alice)
    assert bulk(browser, "state=failed", action="add-tags", tags="Old, 2026", all="1") == {
        "message": "10 documents tagged Old, 2026."
    }
    assert bulk(browser, "tag=Old", action="remove-tags", tags="Old", all="1")["message"].startswith("Old removed")
    assert set(Document.objects.get(name="00055.md").tags) == {"2026"}
    assert bulk(browser, "state=failed&all=1", action="retry")["message"] == "10 documents queued again."
    assert bulk(browser, "state=unfinished", action="cancel", all="1")["message"] == "10 documents cancelled."
    assert Document.objects.filter(state="cancelled").count() == 10


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "retry"}, "Tick at least one"),
        ({"action": "retry", "documents": "nonsense"}, "Reload the page"),
        ({"action": "burn", "all": "1"}, "cannot be done"),
        ({"action": "add-tags", "all": "1", "tags": " , "}, "Type a tag"),
        ({"action": "add-tags", "all": "1", "tags": "x" * 51}, "too long"),
    ],
)
def test_what_cannot_be_done_to_many_is_said(cast: Cast, fields: dict[str, str], words: str) -> None:
    fill(cast, 2)
    browser = browser_of(cast.alice)
    assert words in bulk(browser, **fields)["error"]
    assert words in browser.post(f"{LIST}bulk/", fields, follow=True).content.decode()


def test_nobody_changes_documents_of_another_project_or_as_a_viewer(cast: Cast) -> None:
    secret = add_document(cast.foreign, "The secret is 42.", "secret.md")
    told = bulk(browser_of(cast.alice), action="delete", documents=[str(secret.id)], confirmed="1")
    assert "Tick at least one" in told["error"]
    fill(cast, 2)
    assert browser_of(cast.bob).post(f"{LIST}bulk/", {"action": "retry", "all": "1"}).status_code == 403
    assert browser_of(cast.mallory).post(f"{LIST}bulk/", {"action": "retry", "all": "1"}).status_code == 404
    assert Document.objects.count() == 3


def test_files_of_a_folder_keep_their_paths(cast: Cast) -> None:
    files = [SimpleUploadedFile("readme.md", b"One."), SimpleUploadedFile("readme.md", b"Two.")]
    fields = {"files": files, "paths": ["a/readme.md", "../b/readme.md"], "together": "500"}
    results = browser_of(cast.alice).post(UPLOAD, fields, headers={"Accept": "application/json"}).json()["files"]
    assert [result["name"] for result in results] == ["a/readme.md", "b/readme.md"]
    assert all(document.is_bulk for document in Document.objects.all())


def test_the_same_content_under_another_name_is_said(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    send(browser, ("a.md", b"Text."))
    (result,) = send(browser, ("b.md", b"Text."))
    assert (result["is_new"], result["note"]) == (True, "the same content as a.md.")


# --- Reading ------------------------------------------------------------------------------------


def test_a_source_opens_on_its_passage_with_the_page_beside_it(cast: Cast) -> None:
    pages = ["Warranty lasts two years.", "Repairs take <b>five</b> days."]
    document = add_document(cast.project, make_pdf(*pages), "terms.pdf")
    chunk = document.chunks.get(text__contains="Repairs")
    browser = browser_of(cast.bob)
    page = browser.get(f"{LIST}{document.id}/?chunk={chunk.id}").content.decode()
    assert f'<mark id="chunk-{chunk.id}">Repairs take &lt;b&gt;five&lt;/b&gt; days.</mark>' in page
    assert "Page <b data-picture-number>2</b>" in page
    assert f"/pages/2.png?of={Path(str(document.original.name)).name[:12]}&amp;chunk={chunk.id}" in page
    picture = browser.get(f"{LIST}{document.id}/pages/2.png?chunk={chunk.id}")
    assert picture.content.startswith(b"\x89PNG")
    assert picture["Cache-Control"].startswith("private")
    again = browser.get(f"{LIST}{document.id}/pages/2.png?chunk={chunk.id}", headers={"If-None-Match": picture["ETag"]})
    assert again.status_code == 304
    assert browser.get(f"{LIST}{document.id}/pages/9.png").status_code == 400
    assert browser.get(f"{LIST}{document.id}/pages/1.png?chunk=nonsense").status_code == 404
    assert browser_of(cast.mallory).get(f"{LIST}{document.id}/pages/1.png").status_code == 404


def test_a_link_to_a_passage_that_is_gone_says_so_and_opens_the_document(cast: Cast) -> None:
    document = add_document(cast.project, "Thirty days.")
    gone = document.chunks.get().id
    document = add_document(cast.project, "Sixty days.")
    page = browser_of(cast.bob).get(f"{LIST}{document.id}/?chunk={gone}").content.decode()
    assert "an earlier version" in page
    assert "Sixty days." in page
    assert "<mark" not in page


@pytest.mark.parametrize(
    ("name", "kind", "policy"),
    [("a.pdf", "application/pdf", "object-src 'self'"), ("a.md", "text/plain", "sandbox")],
)
def test_an_original_is_shown_inline_as_what_cannot_run(cast: Cast, name: str, kind: str, policy: str) -> None:
    document, _ = upload_file(cast.project, b"<script>attack()</script>", name)
    response = browser_of(cast.bob).get(f"{LIST}{document.id}/original/?inline")
    assert response["Content-Disposition"].startswith("inline")
    assert response["Content-Type"].startswith(kind)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert policy in response["Content-Security-Policy"]
    response.close()


def test_a_page_that_could_run_is_a_download_however_it_is_asked_for(cast: Cast) -> None:
    document, _ = upload_file(cast.project, b"<script>attack()</script>", "a.html")
    response = browser_of(cast.bob).get(f"{LIST}{document.id}/original/?inline")
    assert response["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response["Content-Security-Policy"]
    response.close()


def test_tags_and_metadata_are_edited_on_the_documents_page(cast: Cast, corpus_version: Callable[[], int]) -> None:
    document = add_document(cast.project)
    Document.objects.update(metadata={"year": 2026, "team": "a"})
    before = corpus_version()
    fields = {"tags": "Legal, <b>x</b>", "key": ["year", "team", "<i>k</i>"], "value": ["2026", "", "<u>v</u>"]}
    page = browser_of(cast.alice).post(f"{LIST}{document.id}/describe/", fields, follow=True).content.decode()
    document.refresh_from_db()
    assert document.metadata == {"year": 2026, "<i>k</i>": "<u>v</u>"}
    assert set(document.tags) == {"Legal", "<b>x</b>"}
    assert "&lt;u&gt;v&lt;/u&gt;" in page
    assert "<b>x</b>" not in page
    assert corpus_version() > before
    too_many = {"key": [f"k{n}" for n in range(51)], "value": ["v"] * 51}
    page = browser_of(cast.alice).post(f"{LIST}{document.id}/describe/", too_many, follow=True).content.decode()
    assert "50 keys of metadata at most" in page


def test_an_address_from_outside_is_a_link_only_where_it_is_of_the_web(cast: Cast) -> None:
    document = add_document(cast.project)
    for address, is_link in {"javascript:attack()": False, "https://example.org/a": True}.items():
        Document.objects.update(source_url=address)
        page = browser_of(cast.bob).get(f"{LIST}{document.id}/").content.decode()
        assert (f'href="{address}"' in page) is is_link
        assert address in page


# --- The search playground ----------------------------------------------------------------------

PLAYGROUND = "/projects/support/search/"


def test_a_search_is_laid_open_to_editors(cast: Cast) -> None:
    add_document(cast.project)
    add_document(cast.project, "The canteen opens at noon. <script>attack()</script>", "canteen.md")
    browser = browser_of(cast.alice)
    assert "See what a question finds" in browser.get(PLAYGROUND).content.decode()
    page = browser.get(f"{PLAYGROUND}?q=When+does+the+canteen+open&limit=1&wanted=Norway").content.decode()
    assert "Passage 1" in page
    assert "<mark>canteen</mark>" in page
    assert "<script>attack" not in page
    assert "Not among the passages" in page
    assert "search <b>" in page
    filtered = browser.get(f"{PLAYGROUND}?q=canteen&document=handbook").content.decode()
    assert "canteen.md" not in filtered
    assert "No document here has" in browser.get(f"{PLAYGROUND}?q=a&document=nowhere").content.decode()
    assert "No chunk here has this id" in browser.get(f"{PLAYGROUND}?q=a&wanted=nowhere").content.decode()
    assert browser.get(f"{PLAYGROUND}?q=&limit=0").status_code == 400


@pytest.mark.parametrize(("query", "shown"), [("", 5), ("?q=noon", 5), ("?q=noon&limit=", 5), ("?q=noon&limit=2", 2)])
def test_the_playground_shows_how_many_passages_it_looked_for(cast: Cast, query: str, shown: int) -> None:
    page = browser_of(cast.alice).get(f"{PLAYGROUND}{query}").content.decode()
    (field,) = re.findall(r'<input[^>]*name="limit"[^>]*>', page)
    assert f'value="{shown}"' in field


def test_the_playground_is_for_editors(cast: Cast) -> None:
    assert browser_of(cast.bob).get(PLAYGROUND).status_code == 403
    assert browser_of(cast.mallory).get(PLAYGROUND).status_code == 404
    assert PLAYGROUND not in browser_of(cast.bob).get(LIST).content.decode()
    secret = add_document(cast.foreign, "The secret is 42.", "secret.md").chunks.get()
    page = browser_of(cast.alice).get(f"{PLAYGROUND}?q=secret&wanted={secret.id}").content.decode()
    assert "The secret is" not in page


# --- Web sources --------------------------------------------------------------------------------


def test_web_sources_are_listed_with_how_they_stand(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    address = "/projects/support/sources/"
    assert "No web source yet" in browser.get(address).content.decode()
    added = browser.post(f"{address}add/", {"url": "https://example.org/<b>", "scope": "site"}, follow=True)
    page = added.content.decode()
    assert "A site" in page
    assert "not fetched yet" in page
    assert "<b>" not in page[page.index("is-sources") :].split("</h2>")[0]
    assert browser_of(cast.bob).get(address).status_code == 403
    assert browser_of(cast.mallory).get(address).status_code == 404
