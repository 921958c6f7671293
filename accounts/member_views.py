"""The page of a project's members and of the invitations to it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import invitations
from accounts import members as people
from accounts.authentication import actor_of
from accounts.models import Invitation, Project, Role, User
from accounts.pages import render_team
from accounts.selectors import get_project
from accounts.templatetags.people import role_name
from core.errors import InvalidInput


@require_safe
@login_required
def members(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, people.get_project_of_member(actor_of(request), slug))


@require_POST
@login_required
def add_member(request: HttpRequest, slug: str) -> HttpResponse:
    project = _owned(request, slug)
    email, role = request.POST.get("email", ""), request.POST.get("role", "")
    try:
        added = people.add_member(project, email, role)
    except InvalidInput as error:
        messages.error(request, error.message)
        return _page(request, project, email=email, status=400)
    messages.success(request, _("%(name)s is a member now.") % {"name": added.user})
    return redirect("members", slug=slug)


@require_POST
@login_required
def change_role(request: HttpRequest, slug: str, user_id: UUID) -> HttpResponse:
    project = _owned(request, slug)
    try:
        changed = people.change_role(project, user_id, request.POST.get("role", ""))
        words = {"name": changed.user, "role": role_name(changed.role)}
        messages.success(request, _("%(name)s has the role “%(role)s” now.") % words)
    except InvalidInput as error:
        messages.error(request, error.message)
    return redirect("members", slug=slug)


@require_POST
@login_required
def remove_member(request: HttpRequest, slug: str, user_id: UUID) -> HttpResponse:
    """An owner takes somebody out; anybody takes themselves out."""
    is_leaving = user_id == request.user.pk
    project = people.get_project_of_member(actor_of(request), slug) if is_leaving else _owned(request, slug)
    try:
        removed = people.remove_member(project, user_id)
    except InvalidInput as error:
        messages.error(request, error.message)
        return redirect("members", slug=slug)
    if is_leaving:
        messages.success(request, _("You have left %(project)s.") % {"project": project.name})
        return redirect("projects")
    messages.success(request, _("%(name)s is no member any more.") % {"name": removed.user})
    if invitations.list_open(project).filter(max_uses=None, email="").exists():
        messages.warning(request, _("A link for many is still open: whoever has it can come back. Revoke it below."))
    return redirect("members", slug=slug)


@require_POST
@login_required
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a link. The answer is the only page that ever shows it."""
    assert isinstance(request.user, User)
    project = _owned(request, slug)
    days = request.POST.get("days", "")
    try:
        invitation, token = invitations.invite(
            project,
            request.user,
            role=request.POST.get("role", ""),
            email=request.POST.get("email", ""),
            days=int(days) if days.isdecimal() and len(days) < 4 else 0,
            is_reusable=request.POST.get("uses") == "many",
        )
    except InvalidInput as error:
        messages.error(request, error.message)
        return _page(request, project, status=400)
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    return _page(request, project, made=invitation, link=link)


@require_POST
@login_required
def revoke(request: HttpRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    invitations.revoke(_owned(request, slug), invitation_id)
    messages.success(request, _("The link was revoked."))
    return redirect("members", slug=slug)


def _owned(request: HttpRequest, slug: str) -> Project:
    return get_project(actor_of(request), slug, Role.OWNER)


def _page(
    request: HttpRequest,
    project: Project,
    *,
    email: str = "",
    made: Invitation | None = None,
    link: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "members": people.list_members(project),
        "invitations": invitations.list_open(project),
        "roles": Role,
        "spans": (1, invitations.DAYS, 30, invitations.MAX_DAYS),
        "usual_span": invitations.DAYS,
        "email": email,
        "made": made,
        "link": link,
    }
    response = render_team(request, "accounts/members.html", project, context, status)
    if link:
        response["Cache-Control"] = "no-store"  # the link is shown once
    return response
