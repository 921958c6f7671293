"""accounts/api.py: projects over REST."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Project
from accounts.services import create_api_key, create_project
from tests.conftest import Cast, browser_of

PROJECTS = "/api/projects/"


def test_the_list_holds_the_projects_one_may_read(cast: Cast) -> None:
    create_project(name="Handbook", visibility=Project.Visibility.EVERYONE)
    page = browser_of(cast.bob).get(PROJECTS).json()
    assert page["count"] == 2
    assert [project["slug"] for project in page["results"]] == ["handbook", "support"]


def test_the_list_comes_in_pages(cast: Cast) -> None:
    for number in range(3):
        create_project(name=f"Project {number}", owner=cast.bob)
    page = browser_of(cast.bob).get(PROJECTS, {"limit": 2, "offset": 1}).json()
    assert (page["count"], [project["slug"] for project in page["results"]]) == (4, ["project-1", "project-2"])


def test_a_project_shows_what_a_client_needs_and_nothing_else(cast: Cast) -> None:
    shown = browser_of(cast.bob).get(f"{PROJECTS}support/").json()
    assert shown.pop("created_at")
    assert shown == {"slug": "support", "name": "Support", "visibility": "members", "cache_ttl": 3600}


@pytest.mark.parametrize("slug", ["secret", "nowhere"])
def test_a_project_that_is_not_yours_is_not_there(cast: Cast, slug: str) -> None:
    answer = browser_of(cast.alice).get(f"{PROJECTS}{slug}/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_key_reads_its_project_and_no_other(cast: Cast) -> None:
    key = create_api_key(user=cast.bob, project=cast.project)
    program = Client(headers={"authorization": f"Bearer {key}"})
    assert program.get(f"{PROJECTS}support/").status_code == 200
    assert program.get(f"{PROJECTS}secret/").status_code == 404
    assert program.get(PROJECTS).json()["count"] == 1


def test_one_makes_a_project_of_ones_own(cast: Cast) -> None:
    answer = browser_of(cast.bob).post(PROJECTS, {"name": "Field notes"}, content_type="application/json")
    assert (answer.status_code, answer.json()["slug"]) == (201, "field-notes")
    assert Project.objects.get(slug="field-notes").memberships.get(role="owner").user == cast.bob
    assert browser_of(cast.bob).get(f"{PROJECTS}field-notes/").status_code == 200


def test_what_only_the_owner_may_set_later_is_not_taken_from_the_request(cast: Cast) -> None:
    asked = {"name": "Field notes", "slug": "support", "visibility": "everyone", "cache_ttl": 0}
    made = browser_of(cast.bob).post(PROJECTS, asked, content_type="application/json").json()
    assert (made["slug"], made["visibility"], made["cache_ttl"]) == ("field-notes", "members", 3600)


@pytest.mark.parametrize(
    "asked",
    [{}, {"name": ""}, {"name": "  "}, {"name": "x" * 101}, {"name": None}, {"name": ["a"]}, {"name": "a\x00b"}, [1]],
    ids=["nothing", "empty", "blank", "too long", "null", "a list", "NUL", "no object"],
)
def test_a_project_without_a_proper_name_is_refused_in_words(cast: Cast, asked: object) -> None:
    answer = browser_of(cast.alice).post(PROJECTS, asked, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")
    assert answer.json()["error"]["message"]
    assert Project.objects.count() == 2


def test_a_name_with_half_a_character_is_refused_in_words(cast: Cast) -> None:
    answer = browser_of(cast.alice).post(PROJECTS, '{"name": "\\ud800"}', content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")


def test_a_key_makes_no_projects(cast: Cast) -> None:
    key = create_api_key(user=cast.alice, project=cast.project)
    program = Client(headers={"authorization": f"Bearer {key}"})
    answer = program.post(PROJECTS, {"name": "Another"}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")
    assert Project.objects.count() == 2


def test_without_a_login_nothing_is_shown_or_made(cast: Cast) -> None:
    stranger = Client()
    assert stranger.get(PROJECTS).status_code == 401
    assert stranger.get(f"{PROJECTS}support/").status_code == 401
    assert stranger.post(PROJECTS, {"name": "Mine"}).status_code == 401
    assert Project.objects.count() == 2


def test_a_page_of_another_site_makes_no_project_in_ones_name(cast: Cast) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = browser.post(PROJECTS, {"name": "Trap"}, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert Project.objects.count() == 2


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_project_is_not_changed_from_here(cast: Cast, method: str) -> None:
    answer = getattr(browser_of(cast.alice), method)(f"{PROJECTS}support/")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
