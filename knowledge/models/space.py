"""Embedding spaces, and the chunks' vectors in them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from pgvector.django import VectorField

from accounts.models import Project
from knowledge.models.chunk import Chunk


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
