"""manage.py up: starts everything, and stops it on Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.utils import OperationalError

from polyai.stack import handbook, parts
from polyai.stack.supervisor import StartError, Supervisor


class Command(BaseCommand):
    help = "Starts PostgreSQL, Redis, the embedding server, worker, beat and web server; each unless you have your own."

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        began = time.monotonic()
        try:
            with _home():
                sys.exit(asyncio.run(self._run(began)))
        except StartError as error:
            raise CommandError(str(error)) from error

    async def _run(self, began: float) -> int:
        supervisor = Supervisor(settings.RUN_FOLDER / "pids.json")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.stop_soon)
        supervisor.stop_leftovers()
        _check_port()
        try:
            await self._start(supervisor)
            seconds = time.monotonic() - began
            supervisor.say("polyai", f"ready after {seconds:.1f} s: open {settings.PUBLIC_URL}  (Ctrl-C stops)")
            await supervisor.wait()
        finally:
            supervisor.say("polyai", "stopping")
            await supervisor.stop()
        return supervisor.exit_code

    async def _start(self, supervisor: Supervisor) -> None:
        if settings.DATABASE_URL:
            await asyncio.to_thread(_check_database)
        else:
            await supervisor.start(parts.postgres())
            await asyncio.to_thread(parts.create_database)
        if not settings.USER_REDIS_URL:
            await supervisor.start(parts.redis_server())
        elif not await parts.redis_is_ready():
            raise StartError("the Redis at REDIS_URL does not answer: check that it runs and that the address is right")
        if settings.EMBEDDINGS_ARE_LOCAL:
            await asyncio.gather(supervisor.start(parts.embeddings()), asyncio.to_thread(_prepare, supervisor))
        else:
            await asyncio.to_thread(_prepare, supervisor)
        await supervisor.start(parts.worker())
        await supervisor.start(parts.beat())
        await supervisor.start(parts.web())


def _prepare(supervisor: Supervisor) -> None:
    call_command("migrate", interactive=False, verbosity=0)
    changed = handbook.load()
    if changed:
        supervisor.say("polyai", f"{changed} pages of the handbook are new: they are being read in the background")
    connections.close_all()


@contextmanager
def _home() -> Iterator[None]:
    """The home folder, writable and ours alone while we run."""
    try:
        for folder in (settings.HOME, settings.RUN_FOLDER, settings.MEDIA_ROOT):
            folder.mkdir(parents=True, exist_ok=True)
        settings.RUN_FOLDER.chmod(0o700)
        lock = (settings.HOME / "lock").open("w")
    except OSError as error:
        raise StartError(
            f"cannot write into {settings.HOME} ({error.strerror}: {error.filename}); "
            "make it writable, or set POLYAI_HOME to a folder of your own"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"PolyAI runs in {settings.HOME} already; stop it, or set another POLYAI_HOME") from error
        os.set_inheritable(lock.fileno(), False)
        yield


def _check_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.BIND, settings.PORT))
        except OSError as error:
            raise StartError(
                f"port {settings.PORT} on {settings.BIND} cannot be used ({error.strerror}): "
                "choose another with PORT=8001 make run"
            ) from error


def _check_database() -> None:
    try:
        connection.ensure_connection()
    except (OperationalError, psycopg.OperationalError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StartError(f"the database at DATABASE_URL does not answer: {reason}") from error
