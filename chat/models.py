"""Conversations and their messages."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.models import Project


class Conversation(models.Model):
    """One person's talk within one project. Without a user it is the operator's, from the terminal.

    `tip` is the last message of the branch that is shown; the others are reached from where they part. A deleted one
    is kept for a while, so that deleting can be undone.
    """

    class Origin(models.TextChoices):
        WEB = "web", gettext_lazy("The chat page")
        API = "api", gettext_lazy("A program")
        TERMINAL = "terminal", gettext_lazy("The terminal")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.WEB)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="conversations")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="conversations"
    )
    title = models.CharField(max_length=120)
    is_renamed = models.BooleanField(
        default=False, help_text=gettext_lazy("Its owner gave it its title: no model gives it another.")
    )
    tip = models.ForeignKey("Message", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-updated_at"]
        indexes = [
            models.Index(fields=["user", "-updated_at"], name="conversation_newest_of_user"),
            models.Index(fields=["deleted_at"], condition=Q(deleted_at__isnull=False), name="conversation_deleted"),
            GinIndex(fields=["tags"], name="conversation_by_tag"),
            models.Index(fields=["user"], condition=~Q(tags=[]), name="conversation_tagged"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(origin__in=["web", "api", "terminal"]), name="conversation_origin_known")
        ]

    def __str__(self) -> str:
        return self.title


class Message(models.Model):
    """A question or an answer. `parent` is what it follows: edits and second tries become branches."""

    class Role(models.TextChoices):
        USER = "user", gettext_lazy("Question")
        ASSISTANT = "assistant", gettext_lazy("Answer")

    class Status(models.TextChoices):
        STREAMING = "streaming", gettext_lazy("Being written")
        COMPLETE = "complete", gettext_lazy("Complete")
        STOPPED = "stopped", gettext_lazy("Stopped by its reader")
        FAILED = "failed", gettext_lazy("Failed")
        INTERRUPTED = "interrupted", gettext_lazy("Interrupted: the server stopped")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    role = models.CharField(max_length=10, choices=Role)
    content = models.TextField(blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.COMPLETE)
    error = models.TextField(blank=True)
    model = models.CharField(max_length=200, blank=True)
    is_extractive = models.BooleanField(default=False)
    finish_reason = models.CharField(max_length=30, blank=True)
    sources = models.JSONField(
        default=list, help_text=gettext_lazy("Numbered passages: n, chunk_id, content_hash, document, text …")
    )
    usage = models.JSONField(default=dict, help_text=gettext_lazy("prompt_tokens, completion_tokens."))
    stages = models.JSONField(default=dict, help_text=gettext_lazy("Milliseconds for each stage of the pipeline."))
    cache = models.JSONField(default=dict, help_text=gettext_lazy("status, similarity, age, question."))
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=["user", "assistant"]), name="message_role_known"),
            models.CheckConstraint(
                condition=Q(status__in=["streaming", "complete", "stopped", "failed", "interrupted"]),
                name="message_status_known",
            ),
        ]
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="message_in_order"),
            models.Index(fields=["-created_at"], name="message_newest"),
            models.Index(fields=["updated_at"], condition=Q(status="streaming"), name="message_streaming"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.content[:60]}"


class MessageWords(models.Model):
    """What a message is found by: its words, and a lexeme that names its reader. A row of its own, so that showing a
    message does not read them."""

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="words")
    words = SearchVectorField()

    class Meta:
        verbose_name_plural = gettext_lazy("message words")
        indexes = [GinIndex(fields=["words"], name="message_words")]

    def __str__(self) -> str:
        return f"Words of {self.message_id}"


class Feedback(models.Model):
    """What a reader says of an answer; a curator looks at it."""

    class Reason(models.TextChoices):
        WRONG = "wrong", gettext_lazy("Not right")
        CACHED = "cached", gettext_lazy("Wrong cached answer")
        OUTDATED = "outdated", gettext_lazy("Out of date")
        INCOMPLETE = "incomplete", gettext_lazy("Something is missing")
        SOURCES = "sources", gettext_lazy("The sources do not say this")
        STYLE = "style", gettext_lazy("Hard to read")
        OTHER = "other", gettext_lazy("Something else")

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="feedback")
    is_good = models.BooleanField()
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    comment = models.TextField(max_length=2000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["", "wrong", "cached", "outdated", "incomplete", "sources", "style", "other"]),
                name="feedback_reason_known",
            )
        ]

    def __str__(self) -> str:
        return "Good" if self.is_good else self.get_reason_display() or "Bad"


def new_token() -> str:
    return secrets.token_urlsafe(18)


class Share(models.Model):
    """A link under which others read a conversation up to the message `tip`, until it expires or is revoked."""

    token = models.CharField(max_length=40, primary_key=True, default=new_token, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="shares")
    tip = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.conversation}, shared"
