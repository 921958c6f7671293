"""manage.py ingest PATH… --project SLUG"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.files import File
from django.core.management.base import CommandError

from accounts.models import Project
from core.errors import InvalidInput, PolyAIError
from knowledge import archives, services
from knowledge.management.project import ProjectCommand
from knowledge.parsers import PARSERS


class Command(ProjectCommand):
    help = "Puts files and folders into a project, and waits until each is ready or failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with all below it")
        parser.add_argument("--project", required=True, metavar="SLUG", help="made if it is new")
        parser.add_argument("--name", default="", help="a new project's name; default: its slug")
        parser.add_argument("--no-wait", action="store_true", help="leave as soon as all files are accepted")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        project = self.get_or_create_project(options["project"], options["name"])
        accepted: list[UUID] = []
        refused = unchanged = 0
        for path, name in _files(options["paths"]):
            if archives.is_archive(name):
                unpacked = self._unpack(project, path, name)
                accepted += [document.id for document in unpacked.documents]
                unchanged += len(unpacked.documents) - len(unpacked.new)
                refused += len(unpacked.refused)
                continue
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
        failed = 0 if options["no_wait"] else self.wait(accepted)
        ready = len(accepted) - failed
        self.stdout.write(
            f"{project.slug}: {ready} {'accepted' if options['no_wait'] else 'ready'}"
            f" ({unchanged} unchanged), {failed} failed, {refused} refused"
        )
        if failed or refused:
            sys.exit(1)

    def _unpack(self, project: Project, path: Path, name: str) -> archives.Unpacked:
        """What came out of an archive; one that is refused whole counts as one refused file."""
        try:
            with path.open("rb") as stream:
                unpacked = archives.upload_archive(project=project, name=name, file=File(stream))
        except PolyAIError as error:
            unpacked = archives.Unpacked(refused=(archives.Refused(name="", error=error),))
        except OSError as error:
            told = InvalidInput(error.strerror or "It cannot be opened.")
            unpacked = archives.Unpacked(refused=(archives.Refused(name="", error=told),))
        for refused in unpacked.refused:
            self.stderr.write(f"{name}{'/' * bool(refused.name)}{refused.name}: refused: {refused.error.message}")
        return unpacked


def _files(paths: list[str]) -> Iterator[tuple[Path, str]]:
    """Files with the name each gets: itself for a file, its way below the folder for a folder's."""
    used: set[str] = set()
    for given in map(Path, paths):
        if given.is_dir():
            everything = [p for p in sorted(given.rglob("*")) if p.is_file()]
            below = [p for p in everything if p.suffix.lower() in PARSERS or archives.is_archive(p.name)]
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
