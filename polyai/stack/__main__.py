"""`python -m polyai.stack`: what `manage.py up` becomes. Starts every part in order, and stops them on Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from polyai.stack import parts
from polyai.stack.supervisor import StartError, Supervisor


def main() -> None:
    began = time.monotonic()
    try:
        with _home():
            sys.exit(asyncio.run(run(began)))
    except StartError as error:
        sys.exit(f"polyai: {error}")


async def run(began: float) -> int:
    supervisor = Supervisor(settings.RUN_FOLDER / "pids.json")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop_soon)
    supervisor.stop_leftovers()
    _check_port()
    try:
        await start(supervisor)
        seconds = time.monotonic() - began
        supervisor.say("polyai", f"ready after {seconds:.1f} s: open {settings.PUBLIC_URL}  (Ctrl-C stops)")
        await supervisor.wait()
    finally:
        supervisor.say("polyai", "stopping")
        await supervisor.stop()
    return supervisor.exit_code


async def start(supervisor: Supervisor) -> None:
    if settings.DATABASE_URL:
        await asyncio.to_thread(parts.check_database)
    else:
        await supervisor.start(parts.postgres())
        await asyncio.to_thread(parts.create_database)
    if not settings.USER_REDIS_URL:
        await supervisor.start(parts.redis_server())
    elif not await parts.redis_is_ready():
        raise StartError("the Redis at REDIS_URL does not answer: check that it runs and that the address is right")
    if settings.EMBEDDINGS_ARE_LOCAL:
        await asyncio.gather(supervisor.start(parts.embeddings()), supervisor.run(parts.prepare()))
    else:
        await supervisor.run(parts.prepare())
        if await asyncio.to_thread(parts.has_local_space):  # it serves until the new embedder's space is complete
            await supervisor.start(parts.embeddings())
    await supervisor.start(parts.worker())
    await supervisor.start(parts.beat())
    await supervisor.start(parts.web())


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


if __name__ == "__main__":
    main()
