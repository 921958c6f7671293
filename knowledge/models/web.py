"""Where documents are fetched from: a page, a site or a sitemap, and each of their pages."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.models import Project

if TYPE_CHECKING:
    from knowledge.models.document import Document


class WebSource(models.Model):
    """An address that a project's documents come from, and how its crawl stands. `crawl` counts its crawls."""

    class Scope(models.TextChoices):
        PAGE = "page", gettext_lazy("One page")
        SITE = "site", gettext_lazy("A site")
        SITEMAP = "sitemap", gettext_lazy("A sitemap")

    class State(models.TextChoices):
        QUEUED = "queued", gettext_lazy("Queued")
        CRAWLING = "crawling", gettext_lazy("Fetching")
        READY = "ready", gettext_lazy("Ready")
        FAILED = "failed", gettext_lazy("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sources")
    url = models.CharField(max_length=2000)
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.PAGE)
    root = models.CharField(
        max_length=2000, blank=True, help_text=gettext_lazy("Host and path that a site's pages begin with.")
    )
    max_pages = models.PositiveIntegerField(default=100, validators=[MinValueValidator(1)])
    refresh_hours = models.PositiveIntegerField(
        default=0, help_text=gettext_lazy("Fetched again after so long; 0 for never.")
    )
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    notes = models.TextField(blank=True, help_text=gettext_lazy("Which limit ended it, for example."))
    crawl = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim = models.UUIDField(null=True, editable=False, help_text=gettext_lazy("The worker that has it in hand."))
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(
        null=True, editable=False, help_text=gettext_lazy("Of the crawl that is going on.")
    )
    due_at = models.DateTimeField(null=True, editable=False, help_text=gettext_lazy("When it is to be fetched again."))
    last_fetched_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["project", "url", "scope"], name="web_source_once_per_project"),
            models.CheckConstraint(condition=Q(scope__in=["page", "site", "sitemap"]), name="web_source_scope_known"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "crawling", "ready", "failed"]), name="web_source_state_known"
            ),
            models.CheckConstraint(condition=Q(max_pages__gte=1), name="web_source_takes_a_page"),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_finished(self) -> bool:
        return self.state in (self.State.READY, self.State.FAILED)


class WebPage(models.Model):
    """A page that a crawl has found: its place in the queue, and what is known of it for the next time."""

    class State(models.TextChoices):
        QUEUED = "queued", gettext_lazy("Queued")
        TAKEN = "taken", gettext_lazy("Taken")
        ALIAS = "alias", gettext_lazy("Other address")  # of a page that is known under its own
        SKIPPED = "skipped", gettext_lazy("Left out")
        FAILED = "failed", gettext_lazy("Failed")
        GONE = "gone", gettext_lazy("Gone")

    source = models.ForeignKey(WebSource, on_delete=models.CASCADE, related_name="pages")
    url = models.CharField(max_length=2000)
    depth = models.PositiveSmallIntegerField(default=0, help_text=gettext_lazy("Links from the start."))
    crawl = models.PositiveIntegerField(help_text=gettext_lazy("The last crawl that looked for it."))
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    document: models.ForeignKey[Document | None, Document | None] = models.ForeignKey(
        "knowledge.Document", null=True, on_delete=models.SET_NULL, related_name="web_pages"
    )
    etag = models.CharField(max_length=500, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    content_hash = models.CharField(max_length=64, blank=True, help_text=gettext_lazy("SHA-256 of what was fetched."))
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    fetched_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["depth", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "url"], name="web_page_once_per_source"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "taken", "alias", "skipped", "failed", "gone"]),
                name="web_page_state_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["source", "attempts", "depth", "id"], condition=Q(state="queued"), name="web_page_waiting"
            )
        ]

    def __str__(self) -> str:
        return self.url
