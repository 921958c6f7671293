"""manage.py serve_embeddings [--bind HOST:PORT]"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serves OpenAI's /v1/embeddings with the bundled all-MiniLM-L6-v2."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", metavar="HOST:PORT", help=f"default: the unix socket {settings.EMBEDDING_SOCKET}")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        from providers.embedding_server import serve

        host, _, port = (options["bind"] or "").rpartition(":")
        if options["bind"] and not port.isdigit():
            raise CommandError("--bind takes HOST:PORT, for example 127.0.0.1:9000")
        serve(host or "127.0.0.1", int(port or 0))
