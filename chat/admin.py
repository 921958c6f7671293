"""Conversations, to read."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import display

from chat.models import Conversation, Message


class MessageInline(StackedInline):
    model = Message
    fk_name = "conversation"
    fields = (
        "role",
        "content",
        ("status", "error"),
        ("model", "finish_reason"),
        "sources",
        ("usage", "stages", "cache"),
    )
    readonly_fields = (
        "role",
        "content",
        "status",
        "error",
        "model",
        "finish_reason",
        "sources",
        "usage",
        "stages",
        "cache",
    )
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ModelAdmin):
    list_display = ("title", "project", "asker", "created_at", "updated_at")
    list_filter = ("project", "origin")
    search_fields = ("title", "messages__content", "user__email")
    readonly_fields = ("title", "project", "user", "created_at", "updated_at")
    fields = ("title", ("project", "user"), ("created_at", "updated_at"))
    date_hierarchy = "created_at"
    list_select_related = ("project", "user")
    inlines = (MessageInline,)

    @display(description=gettext_lazy("Asked by"))
    def asker(self, conversation: Conversation) -> str:
        return str(conversation.user or _("operator"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
