"""The whole running product for tests: `manage.py up` in a folder of its own, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

ROOT = Path(__file__).resolve().parent.parent


class Product:
    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.lines: list[str] = []
        kept = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "DATABASE_URL", "OPENAI_BASE_URL")}
        self.environment = {
            **kept,
            "POLYAI_HOME": str(home),
            "POLYAI_ENV_FILE": "",
            "PORT": str(self.port),
            "POLYAI_LOG_LEVEL": "WARNING",
            **environment,
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self, seconds: float = 60) -> float:
        """Start and wait until it says that it is ready; how many seconds that took."""
        began = time.monotonic()
        self.launch()
        assert self._process is not None
        while not self.said("ready after"):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < began + seconds, self.log
            time.sleep(0.02)
        return time.monotonic() - began

    @property
    def is_started(self) -> bool:
        return self._process is not None

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def launch(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines.clear()
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def wait(self, seconds: float = 30) -> int:
        assert self._process is not None
        code = self._process.wait(seconds)
        self._reader.join()
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.wait()

    def kill_everything(self) -> None:
        """`kill -9` of the supervisor and every process below it."""
        for process in self.processes():
            process.kill()
        self.wait()

    def kill_supervisor(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def unsupervised(self) -> Iterator[None]:
        """What is killed here stays away until the end of the block."""
        assert self._process is not None
        supervisor = psutil.Process(self._process.pid)
        supervisor.suspend()
        try:
            yield
        finally:
            supervisor.resume()

    @property
    def run_folder(self) -> Path:
        """Where the parts have their sockets."""
        return next(f for f in (self.home / "run", *Path("/tmp").glob("polyai-*")) if (f / "pids.json").exists())

    def processes(self) -> list[psutil.Process]:
        assert self._process is not None
        supervisor = psutil.Process(self._process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def part(self, name: str) -> psutil.Process:
        """The process of one part, as the supervisor started it."""
        return psutil.Process(json.loads((self.run_folder / "pids.json").read_text())[name][0])

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def get(self, path: str) -> Any:  # Any: JSON
        return httpx2.get(self.url + path, timeout=10).json()

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def wait_until_said(self, text: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not self.said(text):
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line.rstrip())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
