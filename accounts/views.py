"""The projects page."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.models import User
from accounts.selectors import list_projects
from accounts.services import create_project
from core.errors import InvalidInput


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
