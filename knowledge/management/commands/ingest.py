"""manage.py ingest PATH… --project SLUG"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from accounts.services import create_project
from core.errors import PolyAIError
from knowledge import services
from knowledge.models import Document
from knowledge.parsers import PARSERS

PAUSE = 0.3  # seconds between two looks


class Command(BaseCommand):
    help = "Puts files and folders into a project, and waits until each is ready or failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all below it")
        parser.add_argument("--project", required=True, metavar="SLUG", help="made if it is new")
        parser.add_argument("--name", default="", help="a new project's name; default: its slug")
        parser.add_argument("--no-wait", action="store_true", help="leave as soon as all files are accepted")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        project = self._project(options["project"], options["name"])
        accepted: list[UUID] = []
        refused = unchanged = 0
        for path, name in _files(options["paths"]):
            try:
                with path.open("rb") as stream:
                    uploaded = services.upload(project=project, name=name, file=File(stream), is_bulk=True)
            except (PolyAIError, OSError) as error:
                refused += 1
                reason = error.message if isinstance(error, PolyAIError) else error.strerror
                self.stderr.write(f"{name}: refused: {reason}")
                continue
            unchanged += not uploaded.is_new
            accepted.append(uploaded.document.id)
        if not accepted and not refused:
            raise CommandError(f"No file found that can be read. These can: {', '.join(sorted(PARSERS))}.")
        failed = 0 if options["no_wait"] else self._wait(accepted)
        ready = len(accepted) - failed
        self.stdout.write(
            f"{project.slug}: {ready} {'accepted' if options['no_wait'] else 'ready'}"
            f" ({unchanged} unchanged), {failed} failed, {refused} refused"
        )
        if failed or refused:
            sys.exit(1)

    def _project(self, slug: str, name: str) -> Project:
        project = Project.objects.filter(slug=slug).first()
        if project is not None:
            return project
        try:
            Project._meta.get_field("slug").run_validators(slug)
            return create_project(name=name or slug, slug=slug)
        except Exception as error:
            raise CommandError(f"'{slug}' cannot be a project's slug: use letters, digits and hyphens.") from error

    def _wait(self, ids: list[UUID]) -> int:
        """Show progress until no document is unfinished; how many failed."""
        told: set[UUID] = set()
        while True:
            documents = list(Document.objects.filter(id__in=ids))
            for document in documents:
                if document.is_finished and document.id not in told:
                    told.add(document.id)
                    outcome = document.error if document.state == "failed" else f"{document.chunks_total} chunks"
                    self.stdout.write(f"{document.name}: {document.state}: {outcome}")
            if all(document.is_finished for document in documents):
                return sum(document.state == "failed" for document in documents)
            if sys.stdout.isatty():
                total = sum(d.chunks_total for d in documents)
                done = sum(d.chunks_embedded for d in documents)
                self.stdout.write(f"  {len(told)} of {len(documents)} files, {done} of {total} chunks", ending="\r")
            time.sleep(PAUSE)


def _files(paths: list[str]) -> Iterator[tuple[Path, str]]:
    """Files with the name each gets: itself for a file, its way below the folder for a folder's."""
    used: set[str] = set()
    for given in map(Path, paths):
        if given.is_dir():
            everything = [p for p in sorted(given.rglob("*")) if p.is_file()]
            below = [p for p in everything if p.suffix.lower() in PARSERS]
            if len(below) < len(everything):
                print(f"{given}: {len(everything) - len(below)} files of other kinds are left out", file=sys.stderr)
            files = [(p, p.relative_to(given).as_posix()) for p in below if not p.name.startswith(".")]
        else:
            files = [(given, given.name)]
        for path, name in files:
            # Another file of this run has that name: as the next version it would replace it.
            name = name if name not in used else path.as_posix()
            used.add(name)
            yield path, name
