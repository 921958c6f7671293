"""Users, projects, members and keys for the administrator."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import ApiKey, Membership, Project, User

admin.site.unregister(Group)  # rights come with memberships
admin.site.unregister(EmailAddress)  # an account has one address, and it is on the account


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user", "project")
    tab = True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # cannot be subscripted at run time
    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    list_display = ("email", "name", "shown_state", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("-date_joined",)
    readonly_fields = ("date_joined", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (gettext_lazy("Rights"), {"fields": ("is_active", "is_staff", "is_superuser")}),
        (gettext_lazy("Dates"), {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    filter_horizontal = ()
    inlines = (MembershipInline,)
    actions = ("approve",)

    @display(description=gettext_lazy("State"), label={"active": "success", "waiting": "warning", "off": "danger"})
    def shown_state(self, user: User) -> tuple[str, str]:
        if user.is_active:
            return "active", _("may log in")
        return ("waiting", _("waits for approval")) if user.is_waiting else ("off", _("switched off"))

    def save_model(self, request: HttpRequest, obj: User, form: object, change: bool) -> None:
        super().save_model(request, obj, form, change)
        EmailAddress.objects.filter(user=obj).exclude(email=obj.email).delete()  # allauth would let it log in for ever

    @action(description=gettext_lazy("Approve: let them log in"))
    def approve(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self.message_user(request, _("%(count)s approved.") % {"count": queryset.update(is_active=True)})


@admin.register(Project)
class ProjectAdmin(ModelAdmin):
    list_display = ("name", "slug", "visibility", "cache_ttl", "corpus_version", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "slug", "visibility", "corpus_version", "created_at")}),
        (
            gettext_lazy("Cache"),
            {
                "fields": (
                    ("uses_exact_cache", "uses_semantic_cache"),
                    ("cache_threshold", "cache_error_bound"),
                    "asks_second_opinion",
                    ("cache_ttl", "is_stable"),
                    "stale_ttl",
                    ("verdict_offset", "cache_epoch"),
                )
            },
        ),
    )
    list_filter = ("visibility",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("corpus_version", "created_at", "verdict_offset", "cache_epoch")
    inlines = (MembershipInline,)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:  # Any: Django's
        """Without what goes with a project, much of which nobody may delete by itself."""
        names = [_("%(project)s with its documents and conversations") % {"project": project} for project in objs]
        return names, {"projects": len(objs)}, set(), []


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys are made by `manage.py create_key`, which alone can show one; here they are revoked."""

    list_display = ("prefix", "name", "project", "user", "created_at", "revoked_at")
    list_filter = ("project",)
    search_fields = ("prefix", "name", "user__email")
    readonly_fields = ("prefix", "project", "user", "created_at", "revoked_at")
    fields = ("prefix", "name", "project", "user", "created_at", "revoked_at")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @action(description=gettext_lazy("Revoke"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, _("%(count)s revoked.") % {"count": count})
