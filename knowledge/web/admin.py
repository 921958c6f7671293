"""Web sources for the curator. They are added on the documents page."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action

from knowledge.models import WebPage, WebSource
from knowledge.web import services


class PageInline(TabularInline):
    model = WebPage
    fields = readonly_fields = ("url", "state", "document", "error", "fetched_at")
    per_page = 20
    tab = True

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(WebSource)
class WebSourceAdmin(ModelAdmin):
    list_display = ("url", "project", "scope", "state", "error", "last_fetched_at")
    list_filter = ("state", "scope", "project")
    search_fields = ("url", "error")
    fields = readonly_fields = (
        *("url", "project", "scope", "max_pages", "refresh_hours", "state", "error", "error_code", "notes"),
        *("crawl", "last_fetched_at", "due_at", "created_by", "created_at"),
    )
    inlines = (PageInline,)
    actions = ("refresh_selected",)

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    has_change_permission = has_add_permission

    def has_refresh_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(request.user.has_perm("knowledge.change_websource"))

    @action(description=gettext_lazy("Fetch again"), permissions=["refresh"])
    def refresh_selected(self, request: HttpRequest, queryset: QuerySet[WebSource]) -> None:
        for source in queryset:
            services.refresh(source)
        self.message_user(request, _("%(count)s queued again.") % {"count": queryset.count()})

    def get_deleted_objects(self, objs: object, request: HttpRequest) -> object:
        """Its pages and documents go with it, whoever may not delete them one by one."""
        sources = list(objs)  # type: ignore[call-overload]  # a queryset or a list of sources
        return [str(source) for source in sources], {"sources": len(sources)}, set(), []

    def delete_model(self, request: HttpRequest, obj: WebSource) -> None:
        services.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WebSource]) -> None:
        for source in queryset:
            services.remove(source)
