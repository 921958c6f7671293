"""manage.py serve_embeddings [--bind HOST:PORT]"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Serves OpenAI's /v1/embeddings with the bundled all-MiniLM-L6-v2."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", metavar="HOST:PORT", help=f"default: the unix socket {settings.EMBEDDING_SOCKET}")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        from providers.embedding_server import application

        if options["bind"]:
            host, _, port = options["bind"].rpartition(":")
            if not port.isdigit():
                raise CommandError("--bind takes HOST:PORT, for example 127.0.0.1:9000")
            where = build_endpoint_description_strings(host=host or "127.0.0.1", port=int(port))
        else:
            socket = Path(settings.EMBEDDING_SOCKET)
            socket.parent.mkdir(parents=True, exist_ok=True)
            socket.unlink(missing_ok=True)  # a killed server leaves its own behind
            where = [f"unix:{socket}:mode=600"]
        Server(application(), endpoints=where, signal_handlers=True).run()
