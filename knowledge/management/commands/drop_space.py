"""manage.py drop_space NAME: removes the vectors of an embedding space that is not in use any more."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from core.errors import PolyAIError
from knowledge import partitions, reembedding


class Command(BaseCommand):
    help = "Drops a retired or unfinished embedding space with its vectors. There is no way back but to embed again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the model, model@address, or the space's id")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        try:
            space = reembedding.find_by_name(options["name"])
            size = partitions.size(space.id)
            reembedding.drop(space)
        except PolyAIError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{space} is gone, {filesizeformat(size)} are free.")
