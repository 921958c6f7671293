"""manage.py create_key: the key is printed once."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import ApiKey, User
from accounts.services import digest
from tests.conftest import Cast


def create_key(project: str = "support", user: str = "alice@example.org", **options: str) -> str:
    out = StringIO()
    call_command("create_key", project=project, user=user, stdout=out, **options)
    return out.getvalue()


def test_the_key_is_printed_alone_and_only_its_digest_is_kept(cast: Cast) -> None:
    printed = create_key(name="nightly")
    (key,) = printed.splitlines()
    kept = ApiKey.objects.get()
    assert (kept.digest, kept.prefix, kept.name) == (digest(key), key[:10], "nightly")
    assert (kept.user, kept.project) == (cast.alice, cast.project)


def test_the_printed_key_opens_the_project(cast: Cast) -> None:
    key = create_key(user="ALICE@example.org").strip()
    answer = Client(headers={"authorization": f"Bearer {key}"}).get("/api/projects/support/")
    assert answer.json()["name"] == "Support"


@pytest.mark.parametrize(
    ("project", "user", "reason"),
    [
        ("support", "nobody@example.org", "There is no account 'nobody@example.org'"),
        ("nowhere", "alice@example.org", "There is no project 'nowhere'"),
        ("secret", "alice@example.org", "There is no project 'secret'"),
    ],
    ids=["unknown account", "unknown project", "project of another"],
)
def test_a_key_that_would_open_nothing_is_not_made(cast: Cast, project: str, user: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        create_key(project, user)
    assert not ApiKey.objects.exists()


def test_an_account_that_is_switched_off_gets_no_key(cast: Cast) -> None:
    User.objects.filter(id=cast.alice.id).update(is_active=False)
    with pytest.raises(CommandError):
        create_key()


def test_a_name_that_is_too_long_is_refused_in_words(cast: Cast) -> None:
    with pytest.raises(CommandError, match="100"):
        create_key(name="x" * 101)
