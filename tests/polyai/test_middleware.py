"""What every response tells a browser, and our errors as pages."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD, Cast, add_document, browser_of


def directives(header: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (directive.split() for directive in header.split("; "))}


def test_our_pages_may_load_from_this_server_and_run_nothing_inline(cast: Cast) -> None:
    response = browser_of(cast.alice).get("/?project=support")
    policy = directives(response.headers["Content-Security-Policy"])
    assert (
        policy["default-src"] == policy["base-uri"] == policy["object-src"] == policy["frame-ancestors"] == ["'none'"]
    )
    for kind in ("script-src", "style-src", "img-src", "connect-src", "form-action"):
        assert policy[kind] == ["'self'"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nowhere/", "/health/live", "/api/projects/", "/jsi18n/"])
def test_every_response_carries_the_headers(cast: Cast, path: str) -> None:
    headers = Client().get(path).headers
    assert "Content-Security-Policy" in headers
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_the_admin_may_evaluate_code_and_only_it_has_inline_styles(cast: Cast) -> None:
    client = Client()
    admin = directives(client.get("/admin/login/").headers["Content-Security-Policy"])
    assert admin["script-src"] == ["'self'", "'unsafe-eval'"]
    assert admin["style-src"] == ["'self'", "'unsafe-inline'"]
    docs = client.get("/api/docs/").headers["Content-Security-Policy"]
    assert "unsafe" not in docs
    assert directives(docs)["img-src"] == ["'self'", "data:"]
    assert "unsafe" not in client.get("/administration/").headers["Content-Security-Policy"]


def test_an_original_that_is_shown_is_sandboxed(cast: Cast) -> None:
    document = add_document(cast.project, "<script>alert(1)</script>", "page.txt")
    response = browser_of(cast.bob).get(f"/projects/support/documents/{document.id}/original/?inline")
    response.close()
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_server_called_by_a_name_that_it_was_not_told_says_its_own(cast: Cast, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://polyai.example.org"
    response = Client().get("/", headers={"host": "192.168.1.5:8000"})
    page = response.content.decode()
    assert response.status_code == 400
    assert "PolyAI answers at https://polyai.example.org" in page
    assert 'href="https://polyai.example.org"' in page
    assert "POLYAI_PUBLIC_URL" in page
    assert "Content-Security-Policy" in response.headers


def test_what_is_not_there_and_what_went_wrong_have_pages_of_ours(cast: Cast) -> None:
    response = browser_of(cast.alice).get("/nowhere/")
    assert response.status_code == 404
    assert "There is no such page here." in response.text
    assert "Back to the chat" in response.text
    broken = render_to_string("500.html")  # Django renders it without a request
    assert "Something went wrong" in broken
    assert "css/polyai.css" in broken


def test_a_form_of_an_ended_session_is_told_kindly(cast: Cast) -> None:
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x"})
    assert response.status_code == 403
    assert "This form is too old" in response.text


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", MULTIPART_CONTENT])
def test_a_form_too_long_to_be_read_is_refused_with_a_page(cast: Cast, form: str) -> None:
    body = {"text": "x" * 6_000_000}
    response = browser_of(cast.alice).post("/ask/", body if form == MULTIPART_CONTENT else urlencode(body), form)
    assert response.status_code == 400
    assert "The request could not be read" in response.text


def test_a_failed_log_in_says_so_and_a_wrong_field_is_described_by_its_error(cast: Cast) -> None:
    client = Client()
    failed = client.post("/accounts/login/", {"login": "alice@example.org", "password": f"{PASSWORD}x"}).text
    assert '<p class="notice error" role="alert">' in failed
    wrong = client.post("/accounts/signup/", {"email": "no address", "password1": PASSWORD}).text
    assert 'aria-invalid="true"' in wrong
    assert 'aria-describedby="id_email_error"' in wrong
    assert 'id="id_email_error"' in wrong
