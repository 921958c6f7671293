"""accounts/authentication.py: what a key opens, for how long, and what everything else gets."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from accounts.authentication import actor_of
from accounts.models import ApiKey, Membership, User
from accounts.services import create_api_key, create_project
from tests.conftest import Cast, browser_of

PROJECTS = "/api/projects/"


@pytest.fixture
def key(cast: Cast) -> str:
    create_project(name="Second", owner=cast.alice)
    return create_api_key(user=cast.alice, project=cast.project)


def with_header(value: str) -> Client:
    return Client(headers={"authorization": value})


def opened(key: str) -> list[str]:
    """The projects that a program with this key is shown."""
    answer = with_header(f"Bearer {key}").get(PROJECTS)
    assert answer.status_code == 200, answer.content
    return [project["slug"] for project in answer.json()["results"]]


def is_refused(key: str) -> bool:
    answer = with_header(f"Bearer {key}").get(PROJECTS)
    if answer.status_code != 401:
        return False
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "authentication_failed"
    return True


def test_a_key_opens_its_project_and_no_other_of_its_user(key: str) -> None:
    assert opened(key) == ["support"]
    assert with_header(f"Bearer {key}").get(f"{PROJECTS}second/").status_code == 404


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}  "])
def test_the_word_before_the_key_is_read_generously(key: str, header: str) -> None:
    assert with_header(header.format(key)).get(PROJECTS).status_code == 200


@pytest.mark.parametrize("wrong", ["", "sk-", "sk-unknown", "Ünïcode", "sk-" + "x" * 5000, "' OR 1=1 --"])
def test_a_key_that_is_none_is_refused(key: str, wrong: str) -> None:
    assert is_refused(wrong)


def test_what_is_stored_of_a_key_is_not_a_key(key: str) -> None:
    stored = ApiKey.objects.get()
    assert is_refused(stored.digest)
    assert is_refused(stored.prefix)
    assert is_refused(key.upper())


def test_a_revoked_key_is_dead(key: str) -> None:
    ApiKey.objects.update(revoked_at=timezone.now())
    assert is_refused(key)


def test_a_key_is_dead_while_its_user_is_switched_off(key: str) -> None:
    User.objects.update(is_active=False)
    assert is_refused(key)
    User.objects.update(is_active=True)
    assert opened(key) == ["support"]


def test_a_key_opens_nothing_once_its_user_has_left_the_project(key: str) -> None:
    Membership.objects.all().delete()
    assert opened(key) == []


def test_a_key_goes_with_its_project(cast: Cast, key: str) -> None:
    cast.project.delete()
    assert is_refused(key)


def test_a_wrong_key_is_refused_even_from_a_browser_that_is_logged_in(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    assert browser.get(PROJECTS, headers={"authorization": "Bearer sk-unknown"}).status_code == 401


@pytest.mark.parametrize("header", ["", "Basic YWxpY2U6cGFzc3dvcmQ=", "Token sk-x"])
def test_without_a_key_or_a_login_one_is_asked_for_a_key(cast: Cast, header: str) -> None:
    answer = with_header(header).get(PROJECTS)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["error"]["code"] == "not_authenticated"


def test_a_key_is_no_login_for_the_pages(key: str) -> None:
    assert with_header(f"Bearer {key}").get("/projects/").status_code == 302


def test_the_actor_of_a_browser_is_the_user(cast: Cast) -> None:
    request = browser_of(cast.alice).get("/projects/").wsgi_request
    assert (actor_of(request).user_id, actor_of(request).project_id) == (cast.alice.id, None)
