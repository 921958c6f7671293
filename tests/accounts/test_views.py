"""accounts/views.py: the projects page."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Project, User
from accounts.services import create_project
from tests.conftest import PASSWORD, Cast, browser_of

PAGE = "/projects/"


def test_the_page_lists_the_projects_one_may_open(cast: Cast) -> None:
    shown = browser_of(cast.bob).get(PAGE).content.decode()
    assert "Support" in shown
    assert "/projects/support/documents/" in shown
    assert "Secret" not in shown


def test_whoever_has_no_project_yet_is_told_what_to_do(cast: Cast) -> None:
    cast.foreign.delete()
    assert "No project yet" in browser_of(cast.mallory).get(PAGE).content.decode()


def test_a_visitor_is_led_to_the_login(cast: Cast) -> None:
    for answer in (Client().get(PAGE), Client().post(PAGE, {"name": "Mine"})):
        assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/login/?next=/projects/")
    assert Project.objects.count() == 2


def test_a_new_project_opens_on_its_documents(cast: Cast) -> None:
    browser = browser_of(cast.bob)
    answer = browser.post(PAGE, {"name": "Field notes"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/projects/field-notes/documents/")
    assert browser.get(answer.headers["Location"]).status_code == 200
    assert Project.objects.get(slug="field-notes").memberships.get(role="owner").user == cast.bob


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b"], ids=["empty", "blank", "too long", "NUL"])
def test_a_name_that_is_no_good_is_told_on_the_page(cast: Cast, name: str) -> None:
    answer = browser_of(cast.bob).post(PAGE, {"name": name})
    assert answer.status_code == 200
    assert "Give the project a name" in answer.content.decode()
    assert Project.objects.count() == 2


def test_a_name_is_text_and_never_markup(cast: Cast) -> None:
    create_project(name="<script>alert(1)</script>", owner=cast.bob)
    assert "<script>alert(1)" not in browser_of(cast.bob).get(PAGE).content.decode()


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(cast: Cast, method: str) -> None:
    assert getattr(browser_of(cast.alice), method)(PAGE).status_code == 405


def test_administrators_alone_learn_who_waits_on_every_page_and_approve_on_this_one(cast: Cast) -> None:
    root = User.objects.create_superuser("root@example.org", PASSWORD)
    wanda = User.objects.create_user("wanda@example.org", PASSWORD, is_active=False)
    browser = browser_of(root)
    assert "account waits for approval" in browser.get("/").text
    page = browser.get(PAGE).text
    assert "1 account waits for approval" in page
    assert "wanda@example.org" in page
    assert "wanda@example.org" not in browser_of(cast.alice).get(PAGE).text
    answer = browser.post(f"/accounts/{wanda.id}/approve/", {"here": PAGE}, follow=True)
    assert "wanda@example.org can log in now." in answer.text
    assert "waits for approval" not in answer.text
