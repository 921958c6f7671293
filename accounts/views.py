"""The projects page, and the approval of accounts that wait."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.models import User
from accounts.selectors import list_projects
from accounts.services import create_project
from accounts.waiting import approve as approve_account
from core.errors import InvalidInput, NotFound


@require_http_methods(["GET", "POST"])
@login_required
def projects(request: HttpRequest) -> HttpResponse:
    """All projects that one may open, and a form for a new one."""
    assert isinstance(request.user, User)
    if request.method == "POST":
        try:
            project = create_project(name=request.POST.get("name", ""), owner=request.user)
            return redirect("documents", slug=project.slug)
        except InvalidInput as error:
            messages.error(request, error.message)
    return render(request, "accounts/projects.html", {"projects": list_projects(actor_of(request)), "room": "projects"})


@require_POST
@login_required
def approve(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Let somebody in, and back to the page on which that was wanted."""
    try:
        approved = approve_account(actor_of(request), user_id)
        messages.success(request, _("%(name)s can log in now.") % {"name": approved})
    except NotFound as error:
        messages.error(request, error.message)
    here = request.POST.get("here", "")
    return redirect(here if url_has_allowed_host_and_scheme(here, allowed_hosts=None) else "projects")
