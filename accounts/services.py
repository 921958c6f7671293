"""Writes: accounts, projects, keys."""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.db import connection, transaction
from django.utils.text import slugify

from accounts.models import ApiKey, Membership, Project, Role, User
from core.errors import InvalidInput

SIGNUP_LOCK = 0x504F4C59  # any constant: serialises sign-ups, so that only one can be the first


@transaction.atomic
def register(user: User) -> User:
    """Save a new account. The first becomes administrator; later ones wait, where sign-ups need approval."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SIGNUP_LOCK])
    if not User.objects.exists():
        user.is_staff = user.is_superuser = True
    elif settings.SIGNUP == "closed":
        raise InvalidInput("Sign-up is closed here. Ask the administrator for an account.")
    else:
        user.is_active = settings.SIGNUP == "open"
    user.save()
    return user


def create_project(
    *,
    name: str,
    owner: User | None = None,
    slug: str = "",
    visibility: str = Project.Visibility.MEMBERS,
) -> Project:
    """A new project. Without an owner it is the administrators' until it gets one.

    Raises InvalidInput when the name is empty or the slug is taken.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise InvalidInput("Give the project a name of 1 to 100 characters.")
    wanted = (slug or slugify(name))[:60] or "project"
    with transaction.atomic():
        if slug and Project.objects.filter(slug=slug).exists():
            raise InvalidInput(f"There is a project '{slug}' already.")
        project = Project.objects.create(name=name, slug=_free_slug(wanted), visibility=visibility)
        if owner is not None:
            Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    return project


def _free_slug(wanted: str) -> str:
    slug = wanted
    while Project.objects.filter(slug=slug).exists():
        slug = f"{wanted[:53]}-{secrets.token_hex(3)}"
    return slug


def create_api_key(*, user: User, project: Project, name: str = "") -> str:
    """Make a key for one project and return it. It cannot be read again."""
    key = f"sk-{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(user=user, project=project, name=name, prefix=key[:10], digest=digest(key))
    return key


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
