"""chat/cache_views.py: writing an answer beside the passages that it may cite."""

from __future__ import annotations

import re
from html import unescape

from django.test import Client
from django.utils import timezone

from caching.models import CacheEntry
from tests.caching.test_views import make_entry
from tests.conftest import Cast, add_document, browser_of

WRITE = "/projects/support/cache/entries/write/"
QUESTION = "How many days do I have to return goods?"


def fill_in(browser: Client, text: str, question: str = QUESTION) -> dict[str, object]:
    """The form as a browser sends it: with the passages that stand beside it."""
    page = browser.get(WRITE, {"question": question}).content.decode()
    return {"question": question, "text": text, "passage": re.findall(r'name="passage" value="([^"]+)"', page)}


def test_one_asks_first_and_then_sees_what_may_be_cited(cast: Cast) -> None:
    add_document(cast.project)
    browser = browser_of(cast.alice)
    assert "Its answer" not in browser.get(WRITE).content.decode()
    page = browser.get(WRITE, {"question": QUESTION}).content.decode()
    assert "Its answer" in page
    assert "within 30 days of delivery" in page


def test_a_written_answer_is_approved_and_given(cast: Cast) -> None:
    add_document(cast.project)
    browser = browser_of(cast.alice)
    form = fill_in(browser, "You have **30 days** [1].")
    page = browser.post(WRITE, form, follow=True).content.decode()
    assert "Approved: whoever asks this now gets your answer." in page
    entry = CacheEntry.objects.get()
    assert (entry.question, entry.text, entry.approved_by) == (QUESTION, "You have **30 days** [1].", cast.alice)


def test_an_answer_without_evidence_is_refused_and_nothing_that_was_typed_is_lost(cast: Cast) -> None:
    add_document(cast.project)
    browser = browser_of(cast.alice)
    response = browser.post(WRITE, fill_in(browser, "Trust me."))
    page = unescape(response.content.decode())
    assert response.status_code == 400
    assert "Cite at least one passage" in page
    assert ">Trust me.</textarea>" in page
    assert f">{QUESTION}</textarea>" in page
    assert "within 30 days of delivery" in page
    assert not CacheEntry.objects.exists()


def test_a_question_that_does_not_stand_alone_is_refused(cast: Cast) -> None:
    response = browser_of(cast.alice).get(WRITE, {"question": "yes"})
    assert response.status_code == 400
    assert "stands alone" in response.content.decode()


def test_documents_that_say_nothing_are_told(cast: Cast) -> None:
    assert "The documents have nothing" in browser_of(cast.alice).get(WRITE, {"question": QUESTION}).content.decode()


def test_a_suspended_answer_is_written_anew_from_what_it_was(cast: Cast) -> None:
    add_document(cast.project)
    now = timezone.now()
    entry = make_entry(cast.project, QUESTION, approved_at=now, suspended_at=now, suspended_because="They changed.")
    page = unescape(browser_of(cast.alice).get(WRITE, {"entry": str(entry.id)}).content.decode())
    assert "They changed." in page
    assert ">Thirty days [1].</textarea>" in page
    assert browser_of(cast.alice).get(WRITE, {"entry": "no id"}).status_code == 200
    assert browser_of(cast.alice).get(WRITE, {"entry": str(make_entry(cast.foreign).id)}).status_code == 404
