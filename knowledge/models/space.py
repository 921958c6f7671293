"""Embedding spaces, and the chunks' vectors in them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy
from pgvector.django import VectorField

from accounts.models import Project
from knowledge.models.chunk import Chunk


class EmbeddingSpace(models.Model):
    """One way of turning text into vectors. Vectors of two spaces are never compared.

    One space is active: questions are asked of it, and a document is ready when it is in it. The others are being
    built, or are kept for a way back. `provider` is the embedder's address or `local`; keys are in the environment.
    """

    class Status(models.TextChoices):
        BUILDING = "building", gettext_lazy("Building")
        ACTIVE = "active", gettext_lazy("Active")
        RETIRED = "retired", gettext_lazy("Retired")

    class Precision(models.TextChoices):
        FULL = "full", gettext_lazy("Full: 4 bytes a number")
        HALF = "half", gettext_lazy("Half: 2 bytes a number in the index")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.CharField(max_length=200)
    model = models.CharField(max_length=200)
    dimensions = models.PositiveIntegerField()
    shortened_to = models.PositiveIntegerField(
        default=0,
        help_text=gettext_lazy("Numbers asked of a model that gives fewer when asked to; 0 for its own size."),
    )
    preprocessing = models.CharField(max_length=50)
    precision = models.CharField(max_length=4, choices=Precision, default=Precision.FULL)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    chosen_over = models.CharField(
        max_length=420,
        blank=True,
        help_text=gettext_lazy("The environment's embedder that an operator passed over for this one."),
    )
    chunks_total = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)
    completed_at = models.DateTimeField(
        null=True, help_text=gettext_lazy("When every chunk was in it for the first time.")
    )
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "preprocessing", "shortened_to"], name="embedding_space_once"
            ),
            models.UniqueConstraint(fields=["status"], condition=Q(status="active"), name="embedding_space_one_active"),
            models.CheckConstraint(
                condition=Q(status__in=["building", "active", "retired"]), name="embedding_space_status_known"
            ),
            models.CheckConstraint(condition=Q(precision__in=["full", "half"]), name="embedding_space_precision_known"),
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.dimensions})"

    @property
    def percent(self) -> int:
        """How far it has been built, 0 to 100."""
        return round(100 * self.chunks_embedded / self.chunks_total) if self.chunks_total else 0


class ChunkEmbedding(models.Model):
    """A chunk's vector in one space. `project` is repeated here, for the table is partitioned by it.

    Partitions (knowledge.partitions) are tables of the database alone, and so are their indexes. No foreign key is
    checked by the database: each deleted chunk would be looked for in every partition (docs/adr/0001).
    """

    pk = models.CompositePrimaryKey("space_id", "project_id", "chunk_id")
    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="embeddings", db_constraint=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    project = models.ForeignKey(Project, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    # No dimension here: each space has its own (EmbeddingSpace.dimensions).
    embedding = VectorField()

    def __str__(self) -> str:
        return f"{self.chunk_id} in {self.space_id}"
