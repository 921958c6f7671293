"""manage.py prepare: brings the database and the handbook up to date, at every start."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from knowledge.spaces import find_active, is_of
from polyai.stack import handbook
from providers.registry import get_embedder


class Command(BaseCommand):
    help = "Migrates the database and loads the project's own docs as the handbook."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        call_command("migrate", interactive=False, verbosity=0)
        changed = handbook.load()
        if changed:
            self.stdout.write(f"{changed} pages of the handbook are new: they are being read in the background")
        active, wanted = find_active(), get_embedder()
        if active is not None and not is_of(active, wanted):
            self.stdout.write(
                f"documents are embedded by '{active.model}', the environment names '{wanted.model}': "
                "`manage.py reembed` says what the change takes, and starts it (docs/embeddings.md)"
            )
