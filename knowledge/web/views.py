"""Forms of the documents page that add, refresh and remove web sources."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.authentication import actor_of
from accounts.models import Role, User
from accounts.selectors import get_project
from core.errors import PolyAIError
from knowledge.models import WebSource
from knowledge.web import services
from knowledge.web.selectors import get_source


class SourceForm(forms.Form):
    url = forms.CharField(max_length=4000)
    scope = forms.ChoiceField(choices=WebSource.Scope.choices, required=False)
    max_pages = forms.IntegerField(min_value=1, required=False)
    refresh_hours = forms.IntegerField(min_value=0, required=False)


@require_POST
@login_required
def add(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(actor_of(request), slug, Role.EDITOR)
    assert isinstance(request.user, User)
    form = SourceForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Give the address of a page, and whole numbers."))
        return redirect("sources", slug=slug)
    asked = {name: value for name, value in form.cleaned_data.items() if value not in (None, "")}
    try:
        source = services.add_source(project=project, user=request.user, **asked)
        messages.info(request, _("%(url)s is being fetched.") % {"url": source.url})
    except PolyAIError as error:
        messages.error(request, error.message)
    return redirect("sources", slug=slug)


@require_POST
@login_required
def refresh(request: HttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = _source(request, slug, source_id)
    services.refresh(source)
    messages.info(request, _("%(url)s is being fetched again.") % {"url": source.url})
    return redirect("sources", slug=slug)


@require_POST
@login_required
def remove(request: HttpRequest, slug: str, source_id: UUID) -> HttpResponse:
    source = _source(request, slug, source_id)
    services.remove(source)
    messages.info(request, _("%(url)s was removed with its documents.") % {"url": source.url})
    return redirect("sources", slug=slug)


def _source(request: HttpRequest, slug: str, source_id: UUID) -> WebSource:
    actor = actor_of(request)
    return get_source(actor, get_project(actor, slug, Role.EDITOR).id, source_id)
