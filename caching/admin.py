"""The exact cache in the admin: entries lie in Redis, and are listed, searched and deleted as if they were rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import InvalidPage, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import action

from accounts.models import Project
from caching import exact
from caching.models import ExactEntry
from caching.types import CachedAnswer
from core.redis import RedisError

REDIS_IS_AWAY = "Redis does not answer: the cache cannot be shown."


def _row(entry_id: str, answer: CachedAnswer, projects: dict[str, str]) -> ExactEntry:
    return ExactEntry(
        id=entry_id,
        project=projects.get(str(answer.project_id), "(deleted)"),
        question=answer.question,
        answer=answer.text,
        model=answer.model,
        created_at=answer.created_at,
        expires_at=answer.expires_at,
    )


def _project_names() -> dict[str, str]:
    return {str(project.id): project.name for project in Project.objects.all()}


class RedisChangeList(ChangeList):
    """A list whose rows come from Redis, newest first; the queryset that Django wants stays empty."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:  # Any: Django's
        return ExactEntry.objects.none()

    def get_results(self, request: HttpRequest) -> None:
        try:
            projects = _project_names()
            rows = [_row(entry_id, answer, projects) for entry_id, answer in exact.list_entries(self.query)]
        except (RedisError, OSError):
            messages.error(request, REDIS_IS_AWAY)
            rows = []
        rows.sort(key=lambda row: row.created_at, reverse=True)
        self.paginator = Paginator(rows, self.list_per_page)
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.show_admin_actions = True
        self.can_show_all = False
        self.multi_page = len(rows) > self.list_per_page
        try:
            self.result_list = self.paginator.page(self.page_num).object_list
        except InvalidPage as error:
            raise IncorrectLookupParameters from error


@admin.register(ExactEntry)
class ExactEntryAdmin(ModelAdmin):
    list_display = ("question", "project", "model", "created_at", "expires_at")
    search_fields = ("question", "answer")
    sortable_by = ()
    readonly_fields = ("question", "answer", "project", "model", "created_at", "expires_at")
    actions = ("forget",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # Any: Django's
        return RedisChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ExactEntry | None:
        try:
            answer = exact.get_entry(object_id)
        except (RedisError, OSError):
            messages.error(request, REDIS_IS_AWAY)
            return None
        return _row(object_id, answer, _project_names()) if answer else None

    def get_actions(self, request: HttpRequest) -> Any:  # Any: Django's
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # asks the database what hangs on a row
        return actions

    @action(description="Delete selected entries", permissions=["delete"])
    def forget(self, request: HttpRequest, queryset: QuerySet[ExactEntry]) -> None:
        try:
            count = exact.delete_entries(request.POST.getlist(ACTION_CHECKBOX_NAME))
            self.message_user(request, f"{count} deleted.")
        except (RedisError, OSError):
            self.message_user(request, REDIS_IS_AWAY, messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:  # Any: Django's
        return [str(entry) for entry in objs], {"exact-cache entries": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: ExactEntry) -> None:
        exact.delete_entries([obj.id])

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # Any: Django's
        """Nothing to look up: what is lost here may be lost."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
