"""The real PostgreSQL, Redis and embedder under every test run: a pytest plugin, loaded before Django's settings.

One set for the whole run, in a temporary folder; each xdist worker has a database and a Redis number of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
OURS = ("DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE_URL")

if not WORKER:
    # Nothing of the machine's own configuration reaches a test.
    for name in [n for n in os.environ if n in OURS or n.startswith("POLYAI_")]:
        del os.environ[name]
    os.environ["POLYAI_HOME"] = tempfile.mkdtemp(prefix="polyai-test-")
    os.environ["POLYAI_ENV_FILE"] = ""
home = os.environ["POLYAI_HOME"]
os.environ["TEST_DATABASE_URL"] = f"postgres://postgres@{quote(f'{home}/run', safe='')}/postgres"
number = int(WORKER.removeprefix("gw") or 0) + 1 if WORKER else 0
os.environ["REDIS_URL"] = f"unix://{home}/run/redis.sock?db={number}"


class Stack:
    """The parts that tests share, kept by the product's own supervisor in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        from django.conf import settings

        from polyai.stack import parts
        from polyai.stack.supervisor import Supervisor

        for folder in (settings.HOME, settings.RUN_FOLDER, settings.MEDIA_ROOT):
            folder.mkdir(parents=True, exist_ok=True)
        settings.HOME.chmod(0o755)

        class Quiet(Supervisor):
            """Keeps the servers' lines out of the test report."""

            def say(self, name: str, line: str) -> None:
                with (settings.HOME / "servers.log").open("a") as log:
                    print(name, line, file=log)

        self._supervisor = Quiet(settings.RUN_FOLDER / "pids.json")
        self._thread.start()
        for part in (parts.postgres, parts.redis_server, parts.embeddings):
            self._run(self._supervisor.start(part()))

    def stop(self) -> None:
        self._run(self._supervisor.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        shutil.rmtree(Path(os.environ["POLYAI_HOME"]), ignore_errors=True)

    def _run(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(90)  # type: ignore[arg-type]


_stack = Stack()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if not WORKER and not config.option.collectonly:
        _stack.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _stack._thread.is_alive():
        _stack.stop()
