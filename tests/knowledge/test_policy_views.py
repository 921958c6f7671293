"""knowledge/policy_views.py: the settings page of a project's documents."""

from __future__ import annotations

import pytest

from accounts.models import Membership, Role
from knowledge.policies import get_policy
from tests.conftest import Cast, add_document, browser_of

PAGE = "/projects/support/documents/settings/"
APPLY = f"{PAGE}apply/"
LONG = "Customers may return goods within thirty days of delivery. " * 60
TYPED = {"chunk_tokens": 100, "chunk_overlap": 20, "max_documents": 0, "max_megabytes": 0}


def test_settings_are_shown_saved_and_used(cast: Cast) -> None:
    alice = browser_of(cast.alice)
    document = add_document(cast.project, LONG, "long.txt")
    page = alice.get(PAGE)
    assert page.status_code == 200
    assert "All are cut as is saved above." in page.content.decode()
    saved = alice.post(PAGE, TYPED, follow=True)
    assert get_policy(cast.project).chunk_tokens == 100
    assert "Apply to all documents (1)" in saved.content.decode()
    assert "The built-in model costs nothing" in saved.content.decode()
    applied = alice.post(APPLY, follow=True)
    assert "1 document is being cut anew." in applied.content.decode()
    document.refresh_from_db()
    assert (document.state, document.version) == ("queued", 2)
    assert "All documents are cut so already." in alice.post(APPLY, follow=True).content.decode()


def test_what_cannot_be_saved_is_marked(cast: Cast) -> None:
    page = browser_of(cast.alice).post(PAGE, {**TYPED, "chunk_tokens": 500, "max_megabytes": ""})
    assert page.status_code == 400
    assert "This field is required." in page.content.decode()
    page = browser_of(cast.alice).post(PAGE, {**TYPED, "chunk_tokens": 500})
    assert "sees 256 tokens" in page.content.decode()
    assert get_policy(cast.project).chunk_tokens == 220


def test_a_preview_shows_both_ways_side_by_side(cast: Cast) -> None:
    document = add_document(cast.project, f"# <b>Bold</b>\n\n{LONG}", "long.md")
    asked = f"?document={document.id}&chunk_tokens=100&chunk_overlap=20"
    page = browser_of(cast.alice).get(PAGE + asked).content.decode()
    assert "The first chunks of long.md" in page
    assert page.count('<pre class="piece"') == 5 + document.chunks.count()
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page
    assert "<b>Bold</b>" not in page


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"chunk_tokens": 9_999}, "50 to 2,000"),
        ({"chunk_tokens": "many"}, "Enter a whole number."),
        ({"document": "no-id"}, "is not a valid UUID"),
    ],
)
def test_a_preview_that_cannot_be_made_says_why(cast: Cast, asked: dict[str, str | int], message: str) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    whole: dict[str, str | int] = {"document": str(document.id), "chunk_tokens": 100, "chunk_overlap": 20, **asked}
    page = browser_of(cast.alice).get(PAGE, whole)
    assert page.status_code == 200
    assert message in page.content.decode()


def test_a_document_of_another_project_cannot_be_previewed(cast: Cast) -> None:
    document = add_document(cast.foreign, "The secret.", "secret.txt")
    page = browser_of(cast.alice).get(f"{PAGE}?document={document.id}&chunk_tokens=100&chunk_overlap=20")
    assert "secret" not in page.content.decode()


def test_readers_and_strangers_cannot_open_or_change_it(cast: Cast) -> None:
    for user, status in [(cast.bob, 403), (cast.mallory, 404)]:
        browser = browser_of(user)
        assert browser.get(PAGE).status_code == status
        assert browser.post(PAGE, TYPED).status_code == status
        assert browser.post(APPLY).status_code == status
    Membership.objects.filter(user=cast.bob).update(role=Role.EDITOR)
    assert browser_of(cast.bob).get(PAGE).status_code == 200
    assert browser_of(cast.bob).get(APPLY).status_code == 405
