"""manage.py reembed: embeds all documents by another model, in the background, while the present one serves."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import PolyAIError
from knowledge import estimates, reembedding
from knowledge.indexes import change_precision
from knowledge.models import EmbeddingSpace
from knowledge.spaces import find_space
from providers.registry import get_embedder, make_embedder
from providers.types import Embedder

PAUSE = 0.5  # seconds between two looks


class Command(BaseCommand):
    help = (
        "Builds the embedding space of another model in the background; searches use the present one until it is "
        "complete. Without --to: the model that the environment names, which then becomes the active one by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", default="", metavar="MODEL", help="default: POLYAI_EMBEDDING_MODEL")
        parser.add_argument("--base-url", default="", metavar="URL", help="or 'local'; default: the environment's")
        parser.add_argument("--dimensions", type=int, default=None, metavar="N", help="shortened vectors, if it can")
        parser.add_argument("--precision", choices=EmbeddingSpace.Precision.values, help="of the index; default: full")
        parser.add_argument("--dry-run", action="store_true", help="say what it would take, and do nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--wait", action="store_true", help="build here, and show how far it is")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        embedder = _embedder(options)
        try:
            space = find_space(embedder)
            if space is not None and options["precision"] and options["precision"] != space.precision:
                change_precision(space, options["precision"])
                self.stdout.write(f"{space} is indexed by {options['precision']} precision now.")
            estimate = reembedding.estimate(embedder)
            self.stdout.write(f"{embedder.model} at {embedder.provider}: {estimates.told(estimate)}.")
            if options["dry_run"]:
                return
            if not estimate.chunks and space is not None and space.status == EmbeddingSpace.Status.ACTIVE:
                self.stdout.write("It is the active embedding space, and nothing is missing in it.")
                return
            if not options["yes"] and input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
                raise CommandError("Nothing was done.")
            space = reembedding.start(embedder, options["precision"] or EmbeddingSpace.Precision.FULL)
        except EOFError:
            raise CommandError("Nobody answered; give --yes to go on without asking.") from None
        except PolyAIError as error:
            raise CommandError(error.message) from error
        self.stdout.write("It is being built in the background; /admin/knowledge/embeddingspace/ shows how far it is.")
        if options["wait"]:
            self._wait(space)

    def _wait(self, space: EmbeddingSpace) -> None:
        while space.completed_at is None:
            reembedding.build(space, seconds=2)
            space.refresh_from_db()
            note = f": {space.error}" if space.error else ""
            self.stdout.write(f"{space.chunks_embedded:,} of {space.chunks_total:,} chunks{note}")
            if space.completed_at is None:
                time.sleep(PAUSE)
        is_active = space.status == EmbeddingSpace.Status.ACTIVE
        self.stdout.write("Complete and active." if is_active else f"Complete: manage.py switch_space {space.id}")


def _embedder(options: dict[str, Any]) -> Embedder:  # Any: Django's
    own = get_embedder()
    if not options["to"] and not options["base_url"] and options["dimensions"] is None:
        return own
    return make_embedder(
        options["base_url"] or own.provider,
        options["to"] or own.model,
        own.shortened_to if options["dimensions"] is None and not options["to"] else options["dimensions"] or 0,
    )
