"""knowledge/web/api.py, views.py, admin.py: sources for programs, on the page, and for the curator."""

from __future__ import annotations

from contextlib import closing
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import Membership, Role, User
from accounts.types import Actor
from core.errors import NotFound
from knowledge.models import Document, WebSource
from knowledge.web.crawling import crawl
from knowledge.web.selectors import get_source, list_sources
from knowledge.web.services import add_source
from tests.conftest import Cast, browser_of
from tests.knowledge.test_api import program_of
from tests.knowledge.web.site import Site, links

SOURCES = "/api/projects/support/sources/"


@pytest.fixture
def program(cast: Cast) -> APIClient:
    return program_of(cast.alice, cast.project)


def test_a_program_adds_a_site_and_reads_what_became_of_it(cast: Cast, site: Site, program: APIClient) -> None:
    site.add("/", links("/a", "/missing"))
    site.add("/a", "<p>a</p>")
    asked = {"url": f"{site.url}", "scope": "site", "max_pages": 10, "refresh_hours": 24}
    response = program.post(SOURCES, asked, format="json")
    assert response.status_code == 201
    made = response.json()
    assert (made["url"], made["state"], made["pages_found"]) == (f"{site.url}/", "queued", 0)
    crawl(WebSource.objects.get().id)
    shown = program.get(f"{SOURCES}{made['id']}/").json()
    assert (shown["state"], shown["pages_found"], shown["pages_taken"]) == ("ready", 2, 2)
    assert shown["due_at"]
    assert program.get(SOURCES).json()["results"] == [shown]
    pages = program.get(f"{SOURCES}{made['id']}/pages/").json()["results"]
    assert {page["url"].removeprefix(site.url): page["state"] for page in pages} == {
        "/": "taken",
        "/a": "taken",
        "/missing": "gone",
    }


def test_the_numbers_of_a_sources_pages_add_up(cast: Cast, site: Site, program: APIClient) -> None:
    site.add("/", links("/a", "/same", "/private", "/hidden", "/away", "/film", "/missing", "/broken"))
    site.add("/a", "<p>a</p>")
    site.add("/same", '<link rel="canonical" href="/a"><p>a</p>')
    site.add("/robots.txt", "User-agent: *\nDisallow: /private")
    site.add("/hidden", '<meta name="robots" content="noindex"><p>h</p>')
    site.add("/film", b"x", type="video/mp4")
    site.add("/broken", status=403)
    with closing(Site()) as other:
        other.add("/", "<p>o</p>")
        site.add("/away", status=302, headers={"Location": f"{other.url}/"})
        source = add_source(project=cast.project, url=site.url, scope="site")
        crawl(source.id)
    shown = program.get(f"{SOURCES}{source.id}/").json()
    assert {name.removeprefix("pages_"): n for name, n in shown.items() if name.startswith("pages_")} == {
        "found": 7,
        "taken": 2,
        "failed": 1,
        "waiting": 0,
        "skipped": 4,
        "forbidden": 2,
        "elsewhere": 1,
        "unreadable": 1,
        "duplicate": 1,
        "gone": 1,
    }
    page = browser_of(cast.alice).get(reverse("sources", args=["support"])).content.decode()
    for told in (
        *("2 of 7 pages taken", "1 failed", "2 skipped as the site asks", "1 skipped on another site"),
        *("1 skipped of no kind that is read", "1 other address of the same pages", "1 not there"),
    ):
        assert f"<span>{told}</span>" in page


def test_a_program_refreshes_and_removes(cast: Cast, site: Site, program: APIClient) -> None:
    site.add("/", "<p>a</p>")
    source = add_source(project=cast.project, url=site.url)
    crawl(source.id)
    response = program.post(f"{SOURCES}{source.id}/refresh/")
    assert (response.status_code, response.json()["state"]) == (202, "queued")
    assert program.delete(f"{SOURCES}{source.id}/").status_code == 204
    assert not Document.objects.exists()
    assert program.get(f"{SOURCES}{source.id}/").status_code == 404


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"url": "http://169.254.169.254/"}, "blocked_address"),
        ({"url": "file:///etc/passwd"}, "invalid_input"),
        ({"url": "http://example.org", "max_pages": 10**6}, "invalid_input"),
        ({"url": "http://example.org", "scope": "internet"}, "invalid_input"),
        ({"url": "http://example.org", "refresh_hours": -1}, "invalid_input"),
        ({"url": "http://example.org", "refresh_hours": 10**9}, "invalid_input"),
        ({}, "invalid_input"),
    ],
)
def test_what_cannot_be_a_source_is_refused(program: APIClient, asked: dict[str, object], code: str) -> None:
    response = program.post(SOURCES, asked, format="json")
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)
    assert not WebSource.objects.exists()


def test_an_address_is_in_a_project_once(cast: Cast, program: APIClient) -> None:
    assert program.post(SOURCES, {"url": "http://example.org"}, format="json").status_code == 201
    again = program.post(SOURCES, {"url": "HTTP://EXAMPLE.ORG:80/#x"}, format="json")
    assert again.status_code == 400
    assert "already" in again.json()["error"]["message"]


def test_who_only_reads_may_not_write_and_strangers_see_nothing(cast: Cast) -> None:
    source = add_source(project=cast.project, url="http://example.org")
    reader, stranger = program_of(cast.bob, cast.project), APIClient()
    stranger.force_login(cast.mallory, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert len(reader.get(SOURCES).json()["results"]) == 1
    for client, status in [(reader, 403), (stranger, 404)]:
        assert client.post(SOURCES, {"url": "http://example.com"}, format="json").status_code == status
        assert client.post(f"{SOURCES}{source.id}/refresh/").status_code == status
        assert client.delete(f"{SOURCES}{source.id}/").status_code == status
    assert stranger.get(SOURCES).status_code == 404
    assert not list_sources(Actor(user_id=cast.mallory.id), cast.project.id)
    with pytest.raises(NotFound):
        get_source(Actor(user_id=cast.mallory.id), cast.project.id, source.id)
    assert stranger.get(f"/api/projects/secret/sources/{source.id}/").status_code == 404


# --- The page -----------------------------------------------------------------------------------


def said(response: object) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]


def test_the_page_adds_refreshes_and_removes(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    add = reverse("add-source", args=["support"])
    response = browser.post(add, {"url": "http://example.org", "scope": "site", "max_pages": "", "refresh_hours": "24"})
    source = WebSource.objects.get()
    assert response["Location"] == reverse("sources", args=["support"])
    assert "is being fetched" in said(response)
    assert (source.scope, source.max_pages, source.refresh_hours, source.created_by) == ("site", 100, 24, cast.alice)
    WebSource.objects.update(state="failed", error="x")
    assert "fetched again" in said(browser.post(reverse("refresh-source", args=["support", source.id])))
    assert WebSource.objects.get().state == "queued"
    assert "removed" in said(browser.post(reverse("remove-source", args=["support", source.id])))
    assert not WebSource.objects.exists()


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "", "nonsense"])
def test_the_page_says_why_an_address_is_refused(cast: Cast, url: str) -> None:
    assert said(browser_of(cast.alice).post(reverse("add-source", args=["support"]), {"url": url}))
    assert not WebSource.objects.exists()


def test_the_page_is_for_editors_of_this_very_project(cast: Cast) -> None:
    source = add_source(project=cast.project, url="http://example.org")
    addresses = [reverse(f"{verb}-source", args=["support", source.id]) for verb in ("refresh", "remove")]
    for user, status in [(cast.bob, 403), (cast.mallory, 404)]:
        for address in [*addresses, reverse("add-source", args=["support"])]:
            assert browser_of(user).post(address, {"url": "http://example.com"}).status_code == status
    assert browser_of(cast.mallory).post(reverse("remove-source", args=["secret", source.id])).status_code == 404
    Membership.objects.filter(user=cast.bob).update(role=Role.EDITOR)
    assert browser_of(cast.bob).post(reverse("remove-source", args=["support", uuid4()])).status_code == 404
    assert browser_of(cast.bob).post(addresses[1]).status_code == 302


# --- The admin ----------------------------------------------------------------------------------


def test_the_curator_sees_refreshes_and_removes_sources(cast: Cast, site: Site) -> None:
    site.add("/", "<p>a</p>")
    source = add_source(project=cast.project, url=site.url)
    crawl(source.id)
    User.objects.filter(id=cast.alice.id).update(is_superuser=True, is_staff=True)
    browser = browser_of(User.objects.get(id=cast.alice.id))
    listing = reverse("admin:knowledge_websource_changelist")
    assert site.url in browser.get(listing).content.decode()
    assert browser.get(reverse("admin:knowledge_websource_change", args=[source.id])).status_code == 200
    chosen = {"_selected_action": str(source.id)}
    browser.post(listing, {"action": "refresh_selected", **chosen})
    assert WebSource.objects.get().state == "queued"
    browser.post(listing, {"action": "delete_selected", "post": "yes", **chosen})
    assert not Document.objects.exists()
    assert not WebSource.objects.exists()
