"""Chunks: what is embedded and found."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy

from knowledge.models.document import Document


class Chunk(models.Model):
    """A stretch of a document's text, small enough for the embedder to see whole."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    version = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    text = models.TextField()
    content_hash = models.CharField(max_length=64, help_text=gettext_lazy("SHA-256 of what is shown."))
    metadata = models.JSONField(
        default=dict, help_text=gettext_lazy("heading_path, title, page, label, part, start, end, context, tokens.")
    )

    class Meta:
        ordering = ["document", "version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "version", "position"], name="chunk_position_once_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.position + 1}. {self.text[:60]}"

    @property
    def shown(self) -> str:
        """The text under its context: rows of a table under its header. The text alone is the original's."""
        context = self.metadata.get("context", "")
        return f"{context}\n{self.text}" if context else self.text

    @property
    def locator(self) -> str:
        """Where in its document it stands, for people: `Page 3`, `Sheet Sales`, or `Install › Linux`."""
        page = self.metadata.get("page")
        headings = " › ".join(self.metadata.get("heading_path", []))
        return " · ".join(filter(None, [f"Page {page}" if page else "", self.metadata.get("label", ""), headings]))
