"""Writes: accounts, projects, keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts.models import ApiKey, Membership, Project, Role, User
from core.errors import InvalidInput
from core.text import is_storable, undirected

CACHING = (
    "cache_ttl",
    "is_stable",
    "uses_exact_cache",
    "uses_semantic_cache",
    "cache_threshold",
    "cache_error_bound",
    "asks_second_opinion",
    "stale_ttl",
)
SIGNUP_LOCK = 0x504F4C59  # any constant: serialises sign-ups, so that only one can be the first


@transaction.atomic
def register(user: User, *, is_approved: bool = False) -> User:
    """Save a new account. The first becomes administrator; later ones wait, where sign-ups need approval and an
    administrator has not approved of this one already."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SIGNUP_LOCK])
    if not User.objects.exists():
        user.is_staff = user.is_superuser = True
    elif settings.SIGNUP == "closed":
        raise InvalidInput(_("Sign-up is closed here. Ask the administrator for an account."))
    else:
        user.is_active = is_approved or settings.SIGNUP == "open"
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise InvalidInput(_("There is an account with this address already.")) from error
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
    name = _project_name(name)
    wanted = (slug or slugify(name))[:60] or "project"
    for candidate in (wanted, f"{wanted[:53]}-{secrets.token_hex(3)}"):
        try:
            with transaction.atomic():
                project = Project.objects.create(name=name, slug=candidate, visibility=visibility)
                if owner is not None:
                    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
            return project
        except IntegrityError as error:  # the constraint decides: two may ask for one slug at the same time
            if slug:
                raise InvalidInput(_("There is a project '%(slug)s' already.") % {"slug": slug}) from error
    raise InvalidInput(_("This name is taken. Choose another."))


def change_project(project: Project, *, name: str, visibility: str) -> None:
    """Rename a project, and choose who may read it. Its slug, and so its addresses, stay. Raises InvalidInput."""
    if visibility not in Project.Visibility.values:
        raise InvalidInput(_("Choose who may read this project."))
    project.name, project.visibility = _project_name(name), visibility
    project.save(update_fields=["name", "visibility"])


@transaction.atomic
def delete_project(project: Project) -> None:
    """From this commit on nobody opens the project, with no key and by no link, and its slug is free again. What it
    holds is taken away by a task (`knowledge.removal.empty_deleted_projects`): that may take minutes."""
    Membership.objects.filter(project=project).delete()
    ApiKey.objects.filter(project=project).delete()
    project.visibility = Project.Visibility.MEMBERS
    project.slug, project.deleted_at = f"deleted-{project.id.hex}", timezone.now()
    project.save(update_fields=["visibility", "slug", "deleted_at"])


def _project_name(name: str) -> str:
    name = undirected(name).strip()
    if not name or len(name) > 100 or not is_storable(name):
        raise InvalidInput(_("Give the project a name of 1 to 100 characters."))
    return name


def change_caching(project: Project, changes: Mapping[str, object]) -> None:
    """Change what a project wants of its caches: fields of CACHING by name.

    Raises InvalidInput for a value that the field does not take.
    """
    assert changes.keys() <= set(CACHING), changes.keys()
    for name, value in changes.items():
        setattr(project, name, value)
    try:
        project.clean_fields(exclude=[f.name for f in Project._meta.fields if f.name not in changes])
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
    project.save(update_fields=list(changes))


def create_api_key(*, user: User, project: Project, name: str = "") -> str:
    """Make a key for one project and return it. It cannot be read again."""
    if len(name) > 100 or not is_storable(name):
        raise InvalidInput(_("Give the key a name of at most 100 characters."))
    key = f"sk-{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(user=user, project=project, name=name, prefix=key[:10], digest=digest(key))
    return key


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
