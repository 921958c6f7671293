"""manage.py switch_space NAME: which embedding space answers, in one transaction."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import PolyAIError
from knowledge import reembedding
from knowledge.spaces import switch


class Command(BaseCommand):
    help = "Makes an embedding space the one that answers. The one before is kept: switch back in the same way."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the model, model@address, or the space's id")
        parser.add_argument("--with-gaps", action="store_true", help="though documents are missing in it")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        try:
            space = reembedding.find_by_name(options["name"])
            switch(space, allow_gaps=options["with_gaps"])
        except PolyAIError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{space} answers from now on.")
