"""manage.py sync FOLDER --project SLUG"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from core.errors import PolyAIError
from knowledge import services, sync
from knowledge.management.project import ProjectCommand


class Command(ProjectCommand):
    help = "Keeps a project in step with a folder: new, changed and deleted files. Run it as often as you like."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--project", required=True, metavar="SLUG", help="made if it is new")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--no-wait", action="store_true", help="leave as soon as all files are accepted")
        gone = parser.add_mutually_exclusive_group()
        gone.add_argument("--keep", action="store_true", help="keep documents whose files are gone")
        gone.add_argument(
            "--delete", action="store_true", help="delete them even if that is all of them: the folder is empty"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        folder: Path = options["folder"].absolute()
        if folder.exists() and not folder.is_dir():
            raise CommandError(f"{folder} is no folder. For single files there is manage.py ingest.")
        if not folder.exists() and not options["delete"]:
            raise CommandError(f"There is no folder {folder}. Is it mounted? With --delete its documents go as well.")
        project = self.get_or_create_project(options["project"])
        plan = sync.make_plan(project, folder)
        gone = () if options["keep"] else plan.gone
        if plan.empties and gone and not options["delete"]:
            raise CommandError(
                f"The folder {folder} has no file that can be read: all of its {len(gone)} documents would be deleted. "
                "Is it mounted? Say --delete if that is what you want, or --keep."
            )
        if plan.unreadable:
            gone = ()
            self.stderr.write(f"not readable, so nothing is deleted: {', '.join(plan.unreadable)}")
        if options["dry_run"]:
            for what, names in (
                ("new", [file.name for file in plan.new]),
                ("changed", [file.name for file in plan.changed]),
                ("deleted", [document.name for document in gone]),
            ):
                for name in names:
                    self.stdout.write(f"{what}: {name}")
            self._sum_up(project.slug, len(plan.new), len(plan.changed), plan.unchanged, len(gone), 0)
            return
        refused, accepted = 0, []
        for file in (*plan.new, *plan.changed):
            try:
                accepted.append(sync.bring(project, folder, file).document.id)
            except (PolyAIError, OSError) as error:
                refused += 1
                reason = error.message if isinstance(error, PolyAIError) else error.strerror
                self.stderr.write(f"{file.name}: refused: {reason}")
        deleted = services.delete_many(gone)
        not_ready = 0 if options["no_wait"] else self.wait(accepted)
        self._sum_up(project.slug, len(plan.new), len(plan.changed), plan.unchanged, deleted, refused)
        if not_ready or refused or plan.unreadable:
            sys.exit(1)

    def _sum_up(self, slug: str, new: int, changed: int, unchanged: int, deleted: int, refused: int) -> None:
        self.stdout.write(
            f"{slug}: {new} new, {changed} changed, {unchanged} unchanged, {deleted} deleted, {refused} refused"
        )
