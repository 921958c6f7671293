"""What the commands that fill a project have in common."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from accounts.services import create_project
from knowledge.models import Document
from knowledge.selectors import UNFINISHED

PAUSE = 0.3  # seconds between two looks


class ProjectCommand(BaseCommand):
    """A command with a `--project`, which is made if it is new, that may wait for documents."""

    def get_or_create_project(self, slug: str, name: str = "") -> Project:
        project = Project.objects.filter(slug=slug).first()
        if project is not None:
            return project
        try:
            Project._meta.get_field("slug").run_validators(slug)
            return create_project(name=name or slug, slug=slug)
        except Exception as error:
            raise CommandError(f"'{slug}' cannot be a project's slug: use letters, digits and hyphens.") from error

    def wait(self, ids: Collection[UUID]) -> int:
        """Show progress until no document is unfinished; how many are not ready."""
        waiting, not_ready = set(ids), 0
        while waiting:
            for document in Document.objects.filter(id__in=waiting).exclude(state__in=UNFINISHED).order_by("name"):
                waiting.remove(document.id)
                not_ready += document.state != Document.State.READY
                outcome = document.error or f"{document.chunks_total} chunks"
                self.stdout.write(f"{document.name}: {document.state}: {outcome}")
            still = set(Document.objects.filter(id__in=waiting).values_list("id", flat=True))
            waiting &= still  # the others were deleted
            if waiting:
                if sys.stdout.isatty():
                    self.stdout.write(f"  {len(set(ids)) - len(waiting)} of {len(set(ids))} files", ending="\r")
                time.sleep(PAUSE)
        return not_ready
