"""The search playground: what a question finds and why. For editors and owners."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.authentication import actor_of
from accounts.models import Project, Role
from accounts.selectors import get_project, get_role
from accounts.types import Actor
from core.text import nfc, storable
from knowledge.describing import readings
from knowledge.listing import list_kinds, list_tags
from knowledge.playground import Trial, put_to_search
from knowledge.selectors import list_documents
from knowledge.types import Filters

MAX_NAMED = 500  # documents that a name may stand for
MAX_LIMIT = 50
LIMIT = 5
SHOWN = 60  # candidates


class PlaygroundForm(forms.Form):
    """A question and what the search is limited to."""

    q = forms.CharField(label=gettext_lazy("Question"), max_length=2000, strip=True)
    limit = forms.IntegerField(label=gettext_lazy("Passages"), min_value=1, max_value=MAX_LIMIT, required=False)
    document = forms.CharField(label=gettext_lazy("Documents named"), max_length=255, required=False)
    tag = forms.CharField(label=gettext_lazy("Tag"), max_length=50, required=False)
    kind = forms.CharField(label=gettext_lazy("Kind"), max_length=10, required=False)
    since = forms.DateField(
        label=gettext_lazy("Added from"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(label=gettext_lazy("to"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    key = forms.CharField(label=gettext_lazy("Metadata"), max_length=100, required=False)
    value = forms.CharField(label=gettext_lazy("is"), max_length=1000, required=False)
    wanted = forms.CharField(
        label=gettext_lazy("Why was this not found?"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("A chunk’s id, some words of it, or a document’s name."),
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        typed = super().clean() or self.cleaned_data
        return {name: nfc(storable(value)) if isinstance(value, str) else value for name, value in typed.items()}


@require_safe
@login_required
def playground(request: HttpRequest, slug: str) -> HttpResponse:
    actor = actor_of(request)
    project = get_project(actor, slug, Role.EDITOR)
    asked = {"limit": str(LIMIT), **{name: value for name, value in request.GET.items() if value}}
    form = PlaygroundForm(asked if "q" in request.GET else None, initial=asked)
    trial = _try(actor, project, form.cleaned_data) if form.is_bound and form.is_valid() else None
    context = {
        "project": project,
        "room": "documents",
        "section": "playground",
        "role": get_role(actor, project),
        "form": form,
        "trial": trial,
        "lines": trial.lines[:SHOWN] if trial else [],
        "kinds": list_kinds(actor, project.id),
        "tags": list_tags(actor, project.id),
    }
    return render(request, "knowledge/playground.html", context, status=400 if form.errors else 200)


def _try(actor: Actor, project: Project, typed: dict[str, Any]) -> Trial:  # Any: Django's cleaned data
    named = list_documents(actor, project.id).filter(name__icontains=typed["document"])
    filters = Filters(
        documents=tuple(named.values_list("id", flat=True)[:MAX_NAMED]) if typed["document"] else (),
        tags=(typed["tag"],) if typed["tag"] else (),
        kinds=(typed["kind"],) if typed["kind"] else (),
        since=datetime.combine(typed["since"], time.min, UTC) if typed["since"] else None,
        until=datetime.combine(typed["until"], time.max, UTC) if typed["until"] else None,
        metadata={typed["key"]: readings(typed["value"])} if typed["key"] else {},
    )
    if typed["document"] and not filters.documents:
        return Trial.of_nothing(_("No document here has “%(name)s” in its name.") % {"name": typed["document"]})
    return put_to_search(
        actor, project.id, typed["q"], limit=typed["limit"] or LIMIT, filters=filters, wanted=typed["wanted"].strip()
    )
