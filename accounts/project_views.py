"""A project's own settings: its name, who may read it, who owns it, and its end."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.members import hand_over as make_heir
from accounts.members import list_members
from accounts.models import Project, Role, User
from accounts.pages import render_team
from accounts.selectors import get_project
from accounts.services import change_project, delete_project
from core.errors import InvalidInput


@require_http_methods(["GET", "POST"])
@login_required
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = _owned(request, slug)
    if request.method == "POST":
        try:
            change_project(project, name=request.POST.get("name", ""), visibility=request.POST.get("visibility", ""))
        except InvalidInput as error:
            messages.error(request, error.message)
            return _page(request, _owned(request, slug), status=400)
        messages.success(request, _("Saved."))
        return redirect("project-settings", slug=slug)
    return _page(request, project)


@require_POST
@login_required
def hand_over(request: HttpRequest, slug: str) -> HttpResponse:
    assert isinstance(request.user, User)
    project = _owned(request, slug)
    try:
        heir = make_heir(project, request.user.id, _id(request.POST.get("member", "")))
    except InvalidInput as error:
        messages.error(request, error.message)
        return _page(request, project, status=400)
    messages.success(request, _("%(name)s owns this project now. You are an editor.") % {"name": heir.user})
    return redirect("members", slug=slug)


@require_POST
@login_required
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """The name, typed, confirms it."""
    project = _owned(request, slug)
    if request.POST.get("name", "").strip() != project.name:
        messages.error(request, _("This is not the project’s name. Nothing was deleted."))
        return _page(request, project, status=400)
    delete_project(project)
    messages.success(request, _("%(name)s was deleted.") % {"name": project.name})
    return redirect("projects")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput(_("Choose another member to hand the project to.")) from error


def _owned(request: HttpRequest, slug: str) -> Project:
    return get_project(actor_of(request), slug, Role.OWNER)


def _page(request: HttpRequest, project: Project, status: int = 200) -> HttpResponse:
    members = list_members(project)
    context = {
        "visibilities": Project.Visibility.choices,
        "heirs": members.exclude(user=request.user.pk).filter(user__is_active=True),
        "is_owner": members.filter(user=request.user.pk, role=Role.OWNER).exists(),
    }
    return render_team(request, "accounts/settings.html", project, context, status)
