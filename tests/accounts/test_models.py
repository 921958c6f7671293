"""accounts/models.py: what the database itself refuses, and how accounts are made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from accounts.models import WEEK, ApiKey, Membership, Project, Role, User
from tests.accounts.conftest import can_log_in, log_in
from tests.conftest import PASSWORD, Cast, browser_of


@pytest.mark.parametrize(
    ("constraint", "write"),
    [
        ("user_email_unique_in_any_case", lambda cast: User.objects.create(email="ALICE@example.org")),
        ("accounts_project_slug", lambda cast: Project.objects.create(name="Another", slug="support")),
        ("project_cache_ttl_one_week_at_most", lambda cast: Project.objects.create(name="P", cache_ttl=WEEK + 1)),
        ("accounts_project_cache_ttl_check", lambda cast: Project.objects.create(name="P", cache_ttl=-1)),
        ("project_visibility_known", lambda cast: Project.objects.create(name="P", visibility="world")),
        ("membership_role_known", lambda cast: Membership.objects.update(role="king")),
        (
            "membership_once_per_project",
            lambda cast: Membership.objects.create(project=cast.project, user=cast.bob, role=Role.OWNER),
        ),
        (
            "accounts_apikey_digest",
            lambda cast: [ApiKey.objects.create(project=cast.project, user=cast.bob, digest="d") for _ in range(2)],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_database_keeps_the_rule(cast: Cast, constraint: str, write: Callable[[Cast], object]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        write(cast)


@pytest.mark.parametrize("seconds", [0, WEEK])
def test_a_cache_may_live_between_nothing_and_a_week(cast: Cast, seconds: int) -> None:
    cast.project.cache_ttl = seconds
    cast.project.full_clean()
    cast.project.save()
    cast.project.refresh_from_db()
    assert cast.project.cache_ttl == seconds


def test_a_form_says_what_the_database_would_refuse(cast: Cast) -> None:
    cast.project.cache_ttl, cast.project.visibility = WEEK + 1, "world"
    with pytest.raises(ValidationError) as caught:
        cast.project.full_clean()
    assert {"cache_ttl", "visibility"} <= set(caught.value.message_dict)


@pytest.mark.usefixtures("db")
def test_an_address_is_kept_in_small_letters() -> None:
    assert User.objects.create_user("Carol@Example.ORG", PASSWORD).email == "carol@example.org"


def test_an_account_is_found_by_its_address_in_any_case(cast: Cast) -> None:
    assert User.objects.get_by_natural_key("ALICE@Example.org") == cast.alice


@pytest.mark.usefixtures("db")
def test_an_account_without_a_password_cannot_log_in() -> None:
    User.objects.create_user("carol@example.org")
    assert not can_log_in("carol@example.org", "None")


@pytest.mark.usefixtures("db")
def test_createsuperuser_makes_an_administrator_who_can_open_the_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", "--email", "Root@Example.ORG", verbosity=0)
    root = User.objects.get()
    assert (root.email, root.is_staff, root.is_superuser, root.is_active) == ("root@example.org", True, True, True)
    assert log_in("root@example.org").status_code == 302
    assert can_log_in("root@example.org")
    assert browser_of(root).get("/admin/").status_code == 200


def test_createsuperuser_refuses_an_address_that_is_taken(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", "--noinput", "--email", "Alice@example.org", verbosity=0)
    assert not User.objects.filter(is_superuser=True).exists()


def test_people_and_things_are_named_for_those_who_read_them(cast: Cast) -> None:
    assert (str(cast.alice), cast.alice.get_short_name()) == ("alice@example.org", "alice")
    cast.alice.name = "Alice Liddell"
    assert (str(cast.alice), cast.alice.get_short_name()) == ("Alice Liddell", "Alice Liddell")
    assert str(cast.project) == "Support"
    assert str(Membership.objects.get(user=cast.bob)) == "bob@example.org in Support: Viewer: reads and asks"
    key = ApiKey(project=cast.project, user=cast.alice, prefix="sk-abcdefg")
    assert str(key) == "sk-abcdefg… (Support)"
    key.name = "nightly"
    assert str(key) == "sk-abcdefg… (nightly)"


def test_whoever_leaves_takes_memberships_and_keys_along(cast: Cast) -> None:
    ApiKey.objects.create(project=cast.project, user=cast.bob, digest="d")
    cast.bob.delete()
    assert not ApiKey.objects.exists()
    assert [m.user for m in cast.project.memberships.all()] == [cast.alice]
