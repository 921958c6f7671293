"""Usage: of a project for its owners, of all projects for administrators."""

from __future__ import annotations

import csv
from collections.abc import Iterable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.pages import render_team
from accounts.selectors import get_project, is_administrator
from caching import plots
from caching.figures import STATUSES
from caching.templatetags.figures import NAMES
from chat.usage import SPANS, Line, Usage
from chat.usage import usage as read_usage
from core.errors import NotAllowed
from providers.prices import AS_OF

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would carry out
COLUMNS = (
    *(gettext_lazy("day"), gettext_lazy("project"), gettext_lazy("person"), gettext_lazy("e-mail")),
    *(gettext_lazy("answers"), *(NAMES[status] for status in STATUSES)),
    *(gettext_lazy("prompt tokens"), gettext_lazy("completion tokens")),
    *(gettext_lazy("dollars"), gettext_lazy("tokens without a price")),
    *(gettext_lazy("first words of hits, median ms"), gettext_lazy("first words of written answers, median ms")),
)
SHOWN = 200  # people in the table; the file has all


@require_safe
@login_required
def usage(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(actor_of(request), slug, Role.OWNER)
    days = _days(request)
    found = read_usage(days, project)
    if request.GET.get("format") == "csv":
        return _csv(found.lines, f"usage-{slug}-{days}-days")
    return render_team(request, "chat/usage.html", project, _context(found, days))


@require_safe
@login_required
def all_usage(request: HttpRequest) -> HttpResponse:
    if not is_administrator(actor_of(request)):
        raise NotAllowed(_("Only administrators see the usage of all projects."))
    days = _days(request)
    found = read_usage(days)
    if request.GET.get("format") == "csv":
        return _csv(found.lines, f"usage-{days}-days")
    return render(request, "chat/all_usage.html", {**_context(found, days), "room": "usage"})


def _days(request: HttpRequest) -> int:
    wanted = request.GET.get("days", "")
    return int(wanted) if wanted in map(str, SPANS) else 30


def _context(found: Usage, days: int) -> dict[str, object]:
    return {
        "usage": found,
        "people": found.people[:SHOWN],
        "more": max(0, len(found.people) - SHOWN),
        "days": days,
        "spans": SPANS,
        "volumes": plots.volumes(found.days),
        "hit_rates": plots.hit_rates(found.days),
        "latencies": plots.latencies(found.days),
        "spending": plots.spending(found.days),
        "prices_as_of": AS_OF,
    }


def _csv(lines: Iterable[Line], name: str) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    table = csv.writer(response)
    table.writerow(COLUMNS)
    for line in lines:
        use = line.use
        names = map(safe_cell, (line.project, use.name, use.detail))
        tokens = (use.prompt_tokens, use.completion_tokens, f"{use.dollars:.9f}", use.tokens_unpriced)
        waits = ("" if wait is None else f"{wait:.1f}" for wait in (use.hit_wait, use.written_wait))
        counts = (use.counts[status] for status in STATUSES)
        table.writerow([line.day.isoformat(), *names, use.answers, *counts, *tokens, *waits])
    return response


def safe_cell(text: str) -> str:
    """Text that a spreadsheet takes for text: https://owasp.org/www-community/attacks/CSV_Injection."""
    return f"'{text}" if text.startswith(FORMULA) else text
