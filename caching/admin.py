"""Cached answers for the curator, and what the ledger holds, to read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from accounts.models import User
from caching import approval, eviction
from caching.models import CacheEntry, CacheLookup, Judgement, LedgerCount
from caching.templatetags.figures import NAMES, named


class ReadOnly:
    """Mixed into an admin whose rows are made and changed elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


LAYERS = {"exact": NAMES["hit-exact"], "semantic": NAMES["hit-semantic"]}


class NamedFilter(admin.AllValuesFieldListFilter):
    """The values that are there, by the names that people have for them."""

    names = NAMES

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # Any: Django's
        for choice in super().choices(changelist):
            value, *count = str(choice["display"]).partition(" (")
            yield {**choice, "display": "".join([str(self.names.get(value, value)), *count])}


class LayerFilter(NamedFilter):
    names = LAYERS


STATES = {
    "live": gettext_lazy("live"),
    "approved": gettext_lazy("approved"),
    "suspended": gettext_lazy("suspended"),
    "expired": gettext_lazy("expired"),
}


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(state, str(title).capitalize()) for state, title in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CacheEntry]) -> QuerySet[CacheEntry]:
        match self.value():
            case "live":
                return queryset.filter(expires_at__gt=timezone.now(), suspended_at=None)
            case "approved":
                return queryset.filter(approved_at__isnull=False, suspended_at=None)
            case "suspended":
                return queryset.filter(suspended_at__isnull=False)
            case "expired":
                return queryset.filter(approved_at=None, expires_at__lte=timezone.now())
        return queryset


@admin.register(CacheEntry)
class CacheEntryAdmin(ReadOnly, ModelAdmin):
    list_display = ("question", "project", "shown_state", "model", "created_at", "expires_at")
    list_filter = (StateFilter, "project")
    list_select_related = ("project",)
    search_fields = ("question", "text")
    date_hierarchy = "created_at"
    exclude = ("embedding",)
    actions = ("approve", "evict")
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[CacheEntry]:
        found: QuerySet[CacheEntry] = super().get_queryset(request)
        return found.defer("embedding")

    @display(
        description=gettext_lazy("State"),
        label={"live": "success", "approved": "info", "suspended": "warning", "expired": "danger"},
    )
    def shown_state(self, entry: CacheEntry) -> tuple[str, str]:
        state = "live" if entry.expires_at > timezone.now() else "expired"
        if entry.suspended_at:
            state = "suspended"
        elif entry.approved_at:
            state = "approved"
        return state, str(STATES[state])

    def has_curate_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm("caching.change_cacheentry")

    @action(description=gettext_lazy("Approve: outlives its time, not its evidence"), permissions=["curate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[CacheEntry]) -> None:
        assert isinstance(request.user, User)
        for entry in queryset:
            approval.approve(entry, request.user)
        self.message_user(request, _("%(count)s approved.") % {"count": len(queryset)})

    @action(description=gettext_lazy("Evict from every cache"), permissions=["curate"])
    def evict(self, request: HttpRequest, queryset: QuerySet[CacheEntry]) -> None:
        chosen = list(queryset)
        for entry in chosen:
            eviction.evict(entry)
        self.message_user(request, _("%(count)s evicted.") % {"count": len(chosen)})


@admin.register(CacheLookup)
class CacheLookupAdmin(ReadOnly, ModelAdmin):
    list_display = ("asked_at", "project", "shown_status", "question", "similarity", "shown_veto", "milliseconds")
    list_filter = (("status", NamedFilter), ("veto", NamedFilter), "project")
    list_select_related = ("project",)
    search_fields = ("question",)
    date_hierarchy = "asked_at"
    exclude = ("status", "veto")
    readonly_fields = ("shown_status", "shown_veto")

    @display(description=gettext_lazy("status"), ordering="status")
    def shown_status(self, lookup: CacheLookup) -> str:
        return named(lookup.status)

    @display(description=gettext_lazy("veto"), ordering="veto")
    def shown_veto(self, lookup: CacheLookup) -> str:
        return named(lookup.veto)


@admin.register(LedgerCount)
class LedgerCountAdmin(ReadOnly, ModelAdmin):
    list_display = ("day", "project", "shown_name", "value")
    list_filter = ("project",)
    list_select_related = ("project",)
    search_fields = ("name",)
    date_hierarchy = "day"
    exclude = ("name",)
    readonly_fields = ("shown_name",)

    @display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, count: LedgerCount) -> str:
        return ": ".join(map(named, count.name.split(":")))


@admin.register(Judgement)
class JudgementAdmin(ReadOnly, ModelAdmin):
    list_display = ("created_at", "project", "shown_verdict", "origin", "shown_layer", "asked", "known", "similarity")
    list_filter = ("is_right", "origin", ("layer", LayerFilter), "project")
    list_select_related = ("project",)
    search_fields = ("asked", "known")
    exclude = ("layer",)
    readonly_fields = ("shown_layer",)

    @display(description=gettext_lazy("layer"), ordering="layer")
    def shown_layer(self, judgement: Judgement) -> str:
        return str(LAYERS[judgement.layer])

    @display(description=gettext_lazy("Verdict"), label={"right": "success", "wrong": "danger"})
    def shown_verdict(self, judgement: Judgement) -> tuple[str, str]:
        return ("right", _("right")) if judgement.is_right else ("wrong", _("wrong"))
