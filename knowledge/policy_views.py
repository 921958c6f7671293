"""The settings of a project's documents: how they are cut, what another size would do, and its use on all of them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_project, get_role
from core.errors import InvalidInput
from knowledge.forms import PolicyForm, PreviewForm
from knowledge.policies import change_policy, get_policy, largest_limit, preview
from knowledge.rechunking import estimate, rechunk
from knowledge.types import ChunkingPreview

STEP = 40  # tokens, the width of a bar of the distribution
FIELDS = ("chunk_tokens", "chunk_overlap", "max_documents", "max_megabytes")


@require_http_methods(["GET", "POST"])
@login_required
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(actor_of(request), slug, Role.EDITOR)
    stored = model_to_dict(get_policy(project), fields=FIELDS)
    form = PolicyForm(request.POST if request.method == "POST" else None, initial=stored)
    if request.method == "POST" and form.is_valid():
        change_policy(project, **form.cleaned_data)
        messages.info(
            request, _("Saved. New documents are cut so; those that are here stay as they are until you apply it.")
        )
        return redirect("document-settings", slug=slug)
    tried = PreviewForm(project, request.GET if "document" in request.GET else None, initial=stored)
    context = {
        "project": project,
        "room": "documents",
        "section": "settings",
        "role": get_role(actor_of(request), project),
        "form": form,
        "tried": tried,
        "preview": _preview(tried),
        "estimate": estimate(project),
        "largest": largest_limit(),
    }
    return render(request, "knowledge/settings.html", context, status=400 if form.errors else 200)


@require_POST
@login_required
def apply(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(actor_of(request), slug, Role.EDITOR)
    count = rechunk(project)
    messages.info(
        request,
        ngettext(
            "%(count)s document is being cut anew. Until then the chunks of today answer.",
            "%(count)s documents are being cut anew. Until then the chunks of today answer.",
            count,
        )
        % {"count": count}
        if count
        else _("All documents are cut so already."),
    )
    return redirect("documents", slug=slug)


def _preview(tried: PreviewForm) -> dict[str, object] | None:
    """What was asked for and can be shown; the form says what cannot."""
    if not tried.is_bound or not tried.is_valid():
        return None
    asked = tried.cleaned_data
    try:
        found = preview(asked["document"], asked["chunk_tokens"], asked["chunk_overlap"])
    except InvalidInput as error:
        tried.add_error(None, error.message)
        return None
    return {"document": asked["document"], "found": found, "bars": _bars(found), "pairs": _pairs(found)}


def _bars(found: ChunkingPreview) -> list[dict[str, object]]:
    """Both distributions side by side, each bar as a share of the tallest."""
    now, then = found.now.shares(STEP), found.then.shares(STEP)
    length, tallest = max(len(now), len(then)), max([*now, *then])
    rows = zip([*now, *[0] * (length - len(now))], [*then, *[0] * (length - len(then))], strict=True)
    return [
        {
            "from": i * STEP + 1,
            "to": (i + 1) * STEP,
            "now": a,
            "then": b,
            "now_share": 100 * a / tallest,
            "then_share": 100 * b / tallest,
        }
        for i, (a, b) in enumerate(rows)
    ]


def _pairs(found: ChunkingPreview) -> list[tuple[object, object]]:
    length = max(len(found.now.first), len(found.then.first))
    return [(dict(enumerate(found.now.first)).get(i), dict(enumerate(found.then.first)).get(i)) for i in range(length)]
