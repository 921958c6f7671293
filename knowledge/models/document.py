"""Documents, and the text that was read from them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.models import Project
from knowledge.models.web import WebSource


def original_path(document: Document, filename: str) -> str:
    """A name of our own: what people call their files never reaches the file system."""
    return f"documents/{document.project_id}/{document.id}/{uuid.uuid4().hex}"


class Document(models.Model):
    """A file in a project. `version` counts its contents, `live_version` is the one that searches find:
    while a new content is being read, the old one goes on answering.

    One that is attached to a conversation is no document of the project for anybody: only the one who attached it
    finds and opens it, and only in that conversation.
    """

    class State(models.TextChoices):
        QUEUED = "queued", gettext_lazy("Queued")
        PARSING = "parsing", gettext_lazy("Reading")
        EMBEDDING = "embedding", gettext_lazy("Embedding")
        READY = "ready", gettext_lazy("Ready")
        FAILED = "failed", gettext_lazy("Failed")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=200, blank=True, help_text=gettext_lazy("What it is called inside."))
    kind = models.CharField(max_length=10, blank=True, help_text=gettext_lazy("The name's ending: pdf, docx, md …"))
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    metadata = models.JSONField(
        default=dict, blank=True, help_text=gettext_lazy("What its owner says about it, to filter by.")
    )
    source_url = models.CharField(max_length=2000, blank=True, help_text=gettext_lazy("Where it was fetched from."))
    source = models.ForeignKey(WebSource, null=True, blank=True, on_delete=models.SET_NULL, related_name="documents")
    language = models.CharField(
        max_length=20, blank=True, help_text=gettext_lazy("Of its text, as it was detected: en, de, zh …")
    )
    original = models.FileField(upload_to=original_path, max_length=300)
    live_original = models.FileField(
        upload_to=original_path,
        max_length=300,
        blank=True,
        help_text=gettext_lazy("The file that its live version was read from."),
    )
    size = models.PositiveBigIntegerField(help_text=gettext_lazy("Bytes."))
    content_hash = models.CharField(max_length=64, help_text=gettext_lazy("SHA-256 of the original."))
    parts_hash = models.CharField(
        max_length=64, blank=True, help_text=gettext_lazy("Of the original that its parts were read from.")
    )
    chunking = models.CharField(
        max_length=40, blank=True, help_text=gettext_lazy("How it was cut: method, tokens, overlap.")
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    error = models.TextField(blank=True)
    error_code = models.CharField(
        max_length=40, blank=True, help_text=gettext_lazy("The error's code: encrypted, no_text …")
    )
    notes = models.TextField(
        blank=True, help_text=gettext_lazy("What its reader noticed: pages without text, for example.")
    )
    is_bulk = models.BooleanField(default=False, help_text=gettext_lazy("Waits for what people upload by hand."))
    version = models.PositiveIntegerField(default=1)
    live_version = models.PositiveIntegerField(default=0)
    words_scheme = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text=gettext_lazy("How the words of its chunks were made (knowledge.lexical); 0: not yet."),
    )
    chunks_total = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False, help_text=gettext_lazy("The worker that has it in hand."))
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    attached_to = models.UUIDField(
        null=True, blank=True, editable=False, help_text="The conversation it is for, of the one who uploaded it alone."
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], condition=Q(attached_to=None), name="document_name_once_per_project"
            ),
            models.UniqueConstraint(  # it is the index by attached_to, too
                fields=["attached_to", "uploaded_by", "name"],
                condition=Q(attached_to__isnull=False),
                name="document_name_once_per_conversation",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "parsing", "embedding", "ready", "failed", "cancelled"]),
                name="document_state_known",
            ),
            models.CheckConstraint(
                condition=Q(live_version__lte=models.F("version")), name="document_live_version_not_ahead"
            ),
        ]
        indexes = [
            models.Index(
                fields=["updated_at"],
                condition=Q(state__in=["queued", "parsing", "embedding"]),
                name="document_unfinished",
            ),
            models.Index(fields=["project", "content_hash"], name="document_by_content"),
            GinIndex(fields=["tags"], name="document_by_tag"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_original(self) -> FieldFile:
        """The file to open beside what searches find: of the live version, while a newer one is read or has failed."""
        return self.live_original or self.original

    @property
    def is_finished(self) -> bool:
        return self.state in (self.State.READY, self.State.FAILED, self.State.CANCELLED)

    @property
    def percent(self) -> int:
        """How far embedding has come, 0 to 100."""
        return round(100 * self.chunks_embedded / self.chunks_total) if self.chunks_total else 0


class DocumentPart(models.Model):
    """The text of a page, sheet, slide or whole file, as it was read: what chunks are cut from and sources open on."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="parts")
    version = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    text = models.TextField()
    page = models.PositiveIntegerField(null=True)
    label = models.CharField(max_length=200, blank=True, help_text=gettext_lazy("Sheet Sales, Slide 3: Outlook."))
    is_markdown = models.BooleanField(default=False)

    class Meta:
        ordering = ["document", "version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "version", "position"], name="part_position_once_per_version")
        ]

    def __str__(self) -> str:
        return self.label or (f"Page {self.page}" if self.page else f"Part {self.position + 1}")
