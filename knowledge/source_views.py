"""The page of web sources: where documents are fetched from, and how that stands. For editors and owners."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_project, get_role
from knowledge.models import WebSource
from knowledge.web.selectors import list_sources

PAGE = 50  # sources


@require_safe
@login_required
def sources(request: HttpRequest, slug: str) -> HttpResponse:
    actor = actor_of(request)
    project = get_project(actor, slug, Role.EDITOR)
    found = Paginator(list_sources(actor, project.id).order_by("-created_at"), PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "room": "documents",
        "section": "sources",
        "role": get_role(actor, project),
        "sources": found,
        "scopes": WebSource.Scope.choices,
        "is_busy": any(not source.is_finished for source in found),
    }
    return render(request, "knowledge/sources.html", context)
