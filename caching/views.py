"""The cache page: what the caches did, what they hold, and what they would do otherwise. For editors and owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from uuid import UUID

from django.conf import settings as configuration
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.selectors import get_project, get_role
from accounts.services import change_caching
from caching import approval, eviction, plots
from caching.calculator import Plan, calculate, plan_of
from caching.entries import get_entry
from caching.forms import CachingForm, CalculatorForm, WhatIfForm
from caching.report import WHY_CLICKS_ARE_APART, report
from caching.selectors import (
    ORDERS,
    STATES,
    list_matched_questions,
    list_suspended,
    list_wrong_hits,
    search_entries,
)
from caching.verdict import list_levels
from caching.whatif import MAX_LOOKUPS, Trial, compare, trial_of
from core.errors import ProviderError
from core.languages import localized
from providers.prices import AS_OF, find_price
from providers.registry import get_embedder

PAGE = 50  # entries
LEVELS = 6  # error bounds shown, of about twenty that are told apart
SPANS = (7, 30, 90)  # days


@require_safe
@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, SPANS) else 30
    found = report(project.id, days)
    context = {
        "report": found,
        "has_stale": any(layer.count for layer in found.layers if layer.status == "stale"),
        "days": days,
        "spans": SPANS,
        "hit_rates": plots.hit_rates(found.days),
        "latencies": plots.latencies(found.days),
        "savings": plots.savings(found.days, in_dollars=found.dollars_avoided > 0),
        "why_clicks": WHY_CLICKS_ARE_APART,
        "prices_as_of": AS_OF,
    }
    return _page(request, project, "overview", context)


@require_safe
@login_required
def entries(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    text, state, order = (request.GET.get(name, "") for name in ("q", "state", "order"))
    found = search_entries(project.id, text.replace("\x00", ""), state, order)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "entries": page,
        "text": text,
        "state": state if state in STATES else "all",
        "states": STATES,
        "order": order if order in ORDERS else "newest",
        "orders": ORDERS,
        "query": query.urlencode(),
    }
    return _page(request, project, "entries", context)


@require_safe
@login_required
def entry(request: HttpRequest, slug: str, entry_id: UUID) -> HttpResponse:
    project = _project(request, slug)
    found = get_entry(project.id, entry_id)
    context = {"entry": found, "matched": list_matched_questions(found), "judgements": found.judgements.all()[:20]}
    return _page(request, project, "entry", context)


@require_POST
@login_required
def evict(request: HttpRequest, slug: str, entry_id: UUID) -> HttpResponse:
    eviction.evict(get_entry(_project(request, slug).id, entry_id))
    messages.info(request, _("The answer was taken out of the caches."))
    return redirect("cache-review" if request.POST.get("from") == "review" else "cache-entries", slug=slug)


@require_POST
@login_required
def approve(request: HttpRequest, slug: str, entry_id: UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    approval.approve(get_entry(_project(request, slug).id, entry_id), request.user)
    messages.info(request, _("Approved: this answer stays until its evidence changes."))
    return redirect("cache-entry", slug=slug, entry_id=entry_id)


@require_POST
@login_required
def withdraw(request: HttpRequest, slug: str, entry_id: UUID) -> HttpResponse:
    approval.withdraw(get_entry(_project(request, slug).id, entry_id))
    messages.info(request, _("The approval was withdrawn."))
    return redirect("cache-entries", slug=slug)


@require_POST
@login_required
def flush(request: HttpRequest, slug: str) -> HttpResponse:
    count = eviction.flush(_project(request, slug))
    messages.info(
        request, _("Taken out of the caches: %(count)s. Approved answers stay.") % {"count": localized(count)}
    )
    return redirect("cache-entries", slug=slug)


@require_safe
@login_required
def review(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    context = {"suspended": list_suspended(project.id)[:200], "wrong": list_wrong_hits(project.id)[:PAGE]}
    return _page(request, project, "review", context)


@require_safe
@login_required
def what_if(request: HttpRequest, slug: str) -> HttpResponse:
    """The form, and with values in the address what becomes of them."""
    project = _project(request, slug)
    form = WhatIfForm(request.GET or None, initial=asdict(trial_of(project)))
    comparison = None
    if form.is_bound and form.is_valid():
        try:
            comparison = compare(project, Trial(**form.cleaned_data), get_embedder())
        except ProviderError as error:
            messages.error(request, error.message)
    outcomes = [comparison.tried, comparison.today, comparison.really] if comparison else []
    context = {"form": form, "comparison": comparison, "outcomes": outcomes, "limit": MAX_LOOKUPS}
    return _page(request, project, "what-if", context)


@require_safe
@login_required
def calculator(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    found = report(project.id)
    plan = plan_of(found, find_price(configuration.CHAT_MODEL))
    form = CalculatorForm(request.GET or _typed(plan))
    if form.is_valid():
        plan = form.plan(plan.overhead)
    bill = calculate(plan) if form.is_valid() else None
    context = {
        "form": form,
        "bill": bill,
        "share": 100 * (bill.answers + bill.caching) / bill.without if bill and bill.without else 100,
        "plan": plan,
        "has_traffic": found.requests > 0,
        "model": configuration.CHAT_MODEL,
        "price": find_price(configuration.CHAT_MODEL),
        "prices_as_of": AS_OF,
    }
    return _page(request, project, "calculator", context)


def _typed(plan: Plan) -> dict[str, object]:
    """A plan as it would be typed."""
    return {
        "questions": plan.questions_a_day,
        "repeats": round(100 * plan.repeats, 1),
        "paraphrases": round(100 * plan.paraphrases, 1),
        "prompt_tokens": plan.prompt_tokens,
        "completion_tokens": plan.completion_tokens,
        "prompt_price": plan.prompt_price,
        "completion_price": plan.completion_price,
    }


@require_http_methods(["GET", "POST"])
@login_required
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    form = CachingForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        change_caching(project, form.cleaned_data)
        messages.info(
            request,
            _("Saved. Answers that are cached keep the end that they have; empty the cache to end them now."),
        )
        return redirect("cache-settings", slug=slug)
    status = 400 if form.errors else 200
    levels = list_levels(get_embedder().identity, project.verdict_offset)[:LEVELS]
    return _page(request, project, "settings", {"form": form, "levels": levels}, status=status)


def _project(request: HttpRequest, slug: str) -> Project:
    """What is cached shows what others have asked: it is for those who answer for the project's documents."""
    return get_project(actor_of(request), slug, Role.EDITOR)


def _page(
    request: HttpRequest, project: Project, section: str, context: Mapping[str, object], status: int = 200
) -> HttpResponse:
    frame = {
        "project": project,
        "room": "cache",
        "section": section,
        "role": get_role(actor_of(request), project),
        "waiting": list_suspended(project.id).count(),
    }
    return render(request, f"caching/{section}.html", {**frame, **context}, status=status)
