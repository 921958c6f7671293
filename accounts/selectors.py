"""Reads: what an actor may see. A project that is not yours does not exist."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Membership, Project, Role, User
from accounts.types import Actor
from core.errors import NotAllowed, NotFound
from core.text import is_storable

_RANK = {Role.VIEWER: 0, Role.EDITOR: 1, Role.OWNER: 2}


def list_projects(actor: Actor) -> QuerySet[Project]:
    """The projects the actor may read: as a member, because it is open to everyone, or, for an
    administrator, because nobody owns it yet (as those made by `manage.py ingest`)."""
    projects = Project.objects.filter(deleted_at=None)
    if actor.project_id is not None:
        projects = projects.filter(id=actor.project_id)
    if actor.user_id is None:
        return projects
    users = User.objects.filter(id=actor.user_id, is_active=True)
    member = Membership.objects.filter(project=OuterRef("pk"), user__in=users)
    owned = Membership.objects.filter(project=OuterRef("pk"), role=Role.OWNER)
    return projects.filter(
        Exists(member)
        | (Q(visibility=Project.Visibility.EVERYONE) & Exists(users))
        | (~Exists(owned) & Exists(users.filter(is_superuser=True)))
    )


def get_project(actor: Actor, slug: str, role: Role = Role.VIEWER) -> Project:
    """The project, if the actor has at least `role` in it. Raises NotFound, NotAllowed.

    Members, nearly all who ask, are found by one plain join; only others take the whole rule (0.5 ms, not 1.6).
    """
    if not is_storable(slug):
        raise NotFound(_("There is no project '%(slug)s' here that you can open.") % {"slug": ascii(slug)[1:-1]})
    membership = _find_membership(actor, slug)
    project = membership.project if membership else list_projects(actor).filter(slug=slug).first()
    if project is None:
        raise NotFound(_("There is no project '%(slug)s' here that you can open.") % {"slug": slug})
    held = Role(membership.role) if membership else Role.VIEWER
    if _RANK[held] < _RANK[role] and _RANK[get_role(actor, project)] < _RANK[role]:
        raise NotAllowed(
            _("This needs the role '%(role)s' in the project '%(project)s'.")
            % {"role": role.value, "project": project.name}
        )
    return project


def _find_membership(actor: Actor, slug: str) -> Membership | None:
    if actor.user_id is None:
        return None
    memberships = Membership.objects.filter(
        user_id=actor.user_id, user__is_active=True, project__slug=slug, project__deleted_at=None
    )
    if actor.project_id is not None:
        memberships = memberships.filter(project_id=actor.project_id)
    return memberships.select_related("project").first()


def get_role(actor: Actor, project: Project) -> Role:
    """The actor's role in a project that list_projects showed."""
    if actor.user_id is None:
        return Role.OWNER
    if User.objects.filter(id=actor.user_id, is_superuser=True).exists() and not _has_owner(project):
        return Role.OWNER
    membership = Membership.objects.filter(project=project, user_id=actor.user_id).first()
    return Role(membership.role) if membership is not None else Role.VIEWER


def _has_owner(project: Project) -> bool:
    return Membership.objects.filter(project=project, role=Role.OWNER).exists()


def is_readable(actor: Actor, project_id: UUID) -> bool:
    return list_projects(actor).filter(id=project_id).exists()


def get_corpus_version(project_id: UUID) -> int:
    """Raises NotFound for a project that was deleted."""
    version = Project.objects.filter(id=project_id).values_list("corpus_version", flat=True).first()
    if version is None:
        raise NotFound(_("This project does not exist any more."))
    return version


def is_administrator(actor: Actor) -> bool:
    """The operator at the terminal, or an administrator who is logged in: never a key, which is for a project."""
    if actor.user_id is None:
        return True
    return (
        actor.project_id is None and User.objects.filter(id=actor.user_id, is_active=True, is_superuser=True).exists()
    )
