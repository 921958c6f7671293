"""Starts processes in order, shows their lines with a prefix, restarts none silently, stops them in reverse.

Our own, and not honcho: databases must be up before the migrations and the last to leave, which a
supervisor that starts and stops all at once cannot do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 10.0  # seconds, then SIGKILL
MAX_RESTARTS, RESTART_WINDOW = 3, 60.0  # more in so many seconds is a fault that a restart does not mend
LINE_LIMIT = 1024 * 1024  # bytes
COLOURS = (36, 33, 35, 32, 34, 96, 95)


class StartError(Exception):
    """A part did not come up; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process. `is_ready` is asked until it says yes; `user` is whom to run it as, where we are root."""

    name: str
    argv: Sequence[str]
    is_ready: Callable[[], Awaitable[bool]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    def __init__(self, pid_file: Path, width: int = 10) -> None:
        self._pid_file = pid_file
        self._width = width
        self._processes: dict[str, asyncio.subprocess.Process] = {}  # in the order of their start
        self._stop_signals: dict[str, signal.Signals] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self.exit_code = 0

    def say(self, name: str, line: str) -> None:
        prefix = f"{name:<{self._width}}|"
        if sys.stdout.isatty():
            colour = COLOURS[list(self._processes).index(name) % len(COLOURS)] if name in self._processes else 1
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        print(prefix, line, flush=True)

    async def start(self, part: Part) -> None:
        """Start a part and wait until it is ready. Raises StartError."""
        await self._launch(part)
        deadline = time.monotonic() + START_TIMEOUT
        while part.is_ready is not None and not await part.is_ready():
            if self._stopping.is_set():
                raise StartError("stopped while starting")
            if self._processes[part.name].returncode is not None:
                raise StartError(f"{part.name} ended while starting; its lines above say why")
            if time.monotonic() > deadline:
                raise StartError(f"{part.name} was not ready after {START_TIMEOUT:.0f} s; its lines above may say why")
            await asyncio.sleep(0.05)
        self._watchers.append(asyncio.create_task(self._watch(part)))

    async def run(self, part: Part) -> None:
        """Run a part that does something and ends. Raises StartError when it ends with an error."""
        process = await self._launch(part)
        if await process.wait():
            raise StartError(f"{part.name} failed; its lines above say why")
        del self._processes[part.name]

    def stop_soon(self) -> None:
        self._stopping.set()

    async def wait(self) -> None:
        """Until somebody asks to stop, or a part cannot be kept running."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Stop all parts, the last started first."""
        self._stopping.set()
        for watcher in self._watchers:
            watcher.cancel()
        for name, process in reversed(self._processes.items()):
            if process.returncode is not None:
                continue
            process.send_signal(self._stop_signals[name])
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                self.say(name, f"did not stop within {STOP_TIMEOUT:.0f} s: killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            self.say("polyai", f"{name} stopped")
        self._pid_file.unlink(missing_ok=True)

    def stop_leftovers(self) -> None:
        """End what a supervisor that was killed left running: by pid and start time, for pids come again."""
        try:
            known = json.loads(self._pid_file.read_text())
        except (OSError, ValueError):
            return
        for name, (pid, started) in reversed(known.items()):  # as in `stop`: a worker without its stores ends late
            try:
                process = psutil.Process(pid)
                if process.create_time() != started:
                    continue
                self.say("polyai", f"{name} (pid {pid}) is left over from a supervisor that was killed: stopping it")
                family = [*process.children(recursive=True), process]
                process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
                for survivor in _wait_until_ended(family):
                    survivor.kill()
                _wait_until_ended(family)
            except psutil.NoSuchProcess:
                continue

    async def _launch(self, part: Part) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *part.argv,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=part.user,
            group=part.user,
            extra_groups=[] if part.user else None,
            start_new_session=True,  # Ctrl-C comes to us alone, so that the order of stopping is ours
            limit=LINE_LIMIT,
        )
        self._processes[part.name] = process
        self._stop_signals[part.name] = part.stop_signal
        self._write_pids()
        self._watchers.append(asyncio.create_task(self._show(part.name, process)))
        return process

    async def _show(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                self.say(name, "(a line of more than 1 MB was left out)")
                continue
            if not line:
                return
            self.say(name, line.decode(errors="replace").rstrip())

    async def _watch(self, part: Part) -> None:
        """Restart a part that ends by itself, and say so; give up on one that keeps ending."""
        ends: list[float] = []
        while True:
            code = await self._processes[part.name].wait()
            if self._stopping.is_set():
                return
            reason = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            ends = [end for end in ends if end > time.monotonic() - RESTART_WINDOW] + [time.monotonic()]
            if len(ends) > MAX_RESTARTS:
                self.say("polyai", f"{part.name} {reason}, time {len(ends)} within a minute: stopping everything")
                self.exit_code = 1
                self._stopping.set()
                return
            self.say("polyai", f"{part.name} {reason}: STARTING IT AGAIN ({len(ends)} of {MAX_RESTARTS})")
            await asyncio.sleep(len(ends) - 1)
            await self._launch(part)

    def _write_pids(self) -> None:
        known = {}
        for name, process in self._processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                known[name] = (process.pid, psutil.Process(process.pid).create_time())
        self._pid_file.write_text(json.dumps(known))


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs. One that its new parent has not buried yet does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wait_until_ended(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Wait for STOP_TIMEOUT at most; who is alive even then."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive
