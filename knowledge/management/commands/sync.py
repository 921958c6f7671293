"""manage.py sync FOLDER --project SLUG"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import transaction

from accounts.models import Project
from core.errors import PolyAIError
from knowledge import services, sync
from knowledge.management.project import ProjectCommand
from knowledge.models import Document

NAMED = 5  # of the files that are skipped


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
        _check(folder, may_be_gone=options["delete"])
        with transaction.atomic():
            project = self.get_or_create_project(options["project"])
            plan = sync.make_plan(project, folder)
            gone = self._gone(plan, folder, keep=options["keep"], may_be_all=options["delete"])
            transaction.set_rollback(options["dry_run"])  # a project that it would make
        for reason, names in plan.skipped.items():
            more = " …" if len(names) > NAMED else ""
            self.stdout.write(f"skipped: {len(names)} ({reason}): {', '.join(names[:NAMED])}{more}")
        figures = f"{len(plan.new)} new, {len(plan.changed)} changed, {plan.unchanged} unchanged"
        if options["dry_run"]:
            self._tell(plan, gone)
            self.stdout.write(f"{project.slug}: {figures}, {len(gone)} deleted, 0 refused")
            return
        accepted, refused = self._bring(project, folder, plan)
        deleted = services.delete_many(gone)
        not_ready = 0 if options["no_wait"] else self.wait(accepted)
        self.stdout.write(f"{project.slug}: {figures}, {deleted} deleted, {refused} refused")
        if not_ready or refused or plan.unreadable:
            sys.exit(1)

    def _gone(self, plan: sync.Plan, folder: Path, *, keep: bool, may_be_all: bool) -> Sequence[Document]:
        """The documents to delete. Raises CommandError."""
        if keep:
            return ()
        if plan.unreadable:
            self.stderr.write(f"not readable, so nothing is deleted: {', '.join(plan.unreadable)}")
            return ()
        if plan.empties and not may_be_all:
            raise CommandError(
                f"The folder {folder} has no file that can be read: all of its {len(plan.gone)} documents would be "
                "deleted. Is it mounted? Say --delete if that is what you want, or --keep."
            )
        return plan.gone

    def _tell(self, plan: sync.Plan, gone: Sequence[Document]) -> None:
        for what, names in (
            ("new", [file.name for file in plan.new]),
            ("changed", [file.name for file in plan.changed]),
            ("deleted", [document.name for document in gone]),
        ):
            for name in names:
                self.stdout.write(f"{what}: {name}")

    def _bring(self, project: Project, folder: Path, plan: sync.Plan) -> tuple[list[UUID], int]:
        """The documents that were accepted, and how many files were refused."""
        accepted: list[UUID] = []
        refused = 0
        for file in (*plan.new, *plan.changed):
            try:
                accepted.append(sync.bring(project, folder, file).document.id)
            except (PolyAIError, OSError) as error:
                refused += 1
                reason = error.message if isinstance(error, PolyAIError) else error.strerror
                self.stderr.write(f"{file.name}: refused: {reason}")
        return accepted, refused


def _check(folder: Path, *, may_be_gone: bool) -> None:
    """Raises CommandError."""
    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is no folder. For single files there is manage.py ingest.")
    if not folder.exists() and not may_be_gone:
        raise CommandError(f"There is no folder {folder}. Is it mounted? With --delete its documents go as well.")
