"""Documents, their chunks, and the chunks' vectors."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from pgvector.django import VectorField

from accounts.models import Project


def original_path(document: Document, filename: str) -> str:
    """A name of our own: what people call their files never reaches the file system."""
    return f"documents/{document.project_id}/{document.id}/{uuid.uuid4().hex}"


class Document(models.Model):
    """A file in a project. `version` counts its contents, `live_version` is the one that searches find:
    while a new content is being read, the old one goes on answering."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        PARSING = "parsing", "Reading"
        EMBEDDING = "embedding", "Embedding"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=255)
    original = models.FileField(upload_to=original_path, max_length=300)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the original.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    error = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    live_version = models.PositiveIntegerField(default=0)
    chunks_total = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False, help_text="The worker that has it in hand.")
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="document_name_once_per_project"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "parsing", "embedding", "ready", "failed"]),
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
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        return self.state in (self.State.READY, self.State.FAILED)

    @property
    def percent(self) -> int:
        """How far embedding has come, 0 to 100."""
        return round(100 * self.chunks_embedded / self.chunks_total) if self.chunks_total else 0


class Chunk(models.Model):
    """A stretch of a document's text, small enough for the embedder to see whole."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    version = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    text = models.TextField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the text.")
    metadata = models.JSONField(default=dict, help_text="heading_path, page, start, end.")

    class Meta:
        ordering = ["document", "version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "version", "position"], name="chunk_position_once_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.position + 1}. {self.text[:60]}"

    @property
    def locator(self) -> str:
        """Where in its document it stands, for people: `Page 3`, or `Install › Linux`."""
        page = self.metadata.get("page")
        headings = " › ".join(self.metadata.get("heading_path", []))
        return " · ".join(filter(None, [f"Page {page}" if page else "", headings]))


class EmbeddingSpace(models.Model):
    """One way of turning text into vectors. Vectors of two spaces are never compared."""

    class Status(models.TextChoices):
        BUILDING = "building"
        ACTIVE = "active"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=200)
    model = models.CharField(max_length=200)
    dimensions = models.PositiveIntegerField()
    preprocessing = models.CharField(max_length=50)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "preprocessing"], name="embedding_space_once"),
            models.CheckConstraint(
                condition=Q(status__in=["building", "active", "retired"]), name="embedding_space_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.dimensions})"


class ChunkEmbedding(models.Model):
    """A chunk's vector in one space. `project` is repeated here so that the index scan can filter by it."""

    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="embeddings")
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE)
    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    # No dimension here: each space has its own, in an HNSW index of its own (services.get_or_create_space).
    embedding = VectorField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chunk", "space"], name="chunk_embedded_once_per_space")]
        indexes = [models.Index(fields=["space", "project"], name="embedding_by_project")]

    def __str__(self) -> str:
        return f"{self.chunk_id} in {self.space_id}"
