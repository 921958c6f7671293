"""The process that parsers run in, seen from outside: started, asked, killed and replaced.

Each process of ours has one at most, made when its first file comes; threads take turns. It is started by
`subprocess`, because Celery's workers may not have children of `multiprocessing`.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from core.errors import DamagedFile, InvalidInput, ParserLost, TooLargeToRead, TooSlowToRead, from_code

log = logging.getLogger(__name__)

BLOCK = 1024 * 1024  # bytes
LARGEST = 400 * 1024 * 1024  # bytes of an answer
FROM_OUTSIDE = {0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}
# Two heaps for the two threads would each reserve 64 MB of the limit.
ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}


class _Lost(Exception):
    """The process ended without an answer."""


class _Process:
    def __init__(self) -> None:
        self._is_late = False
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-E", "-m", "knowledge.parsers", str(settings.PARSER_MEGABYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=ENVIRONMENT,
            cwd=settings.BASE_DIR,
            start_new_session=True,  # a group of its own, which is killed as one
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions = self._process.stdin
        self._answers = os.fdopen(os.dup(self._process.stdout.fileno()), "rb")
        self._process.stdout.close()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: dict[str, Any], file: IO[bytes], seconds: float) -> tuple[dict[str, Any], bytes]:
        """The head and the body of its answer. Raises _Lost, TooSlowToRead, TooLargeToRead, DamagedFile."""
        deadline = threading.Timer(seconds, self._kill_late)
        deadline.daemon = True
        deadline.start()
        try:
            self._write(json.dumps(question).encode() + b"\n")
            while block := file.read(BLOCK):
                self._write(block)
            line = self._answers.readline(BLOCK)
            head: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
            if head.get("size", 0) > LARGEST:
                raise TooLargeToRead(_("The file has more text than can be taken in. Split it."))
            body = self._answers.read(head.get("size", 0))
            if not head or len(body) < head["size"]:
                raise self._reason()
        except OSError as error:  # its end of the pipe is closed
            raise self._reason() from error
        finally:
            deadline.cancel()
        return head, body

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._questions.fileno(), rest) :]

    def _kill_late(self) -> None:
        self._is_late = True
        self.kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)

    def _reason(self) -> Exception:
        """Why there is no answer."""
        status = self._end()
        if self._is_late or status == -signal.SIGXCPU:
            return TooSlowToRead(
                _(
                    "Reading the file took more than %(parser_seconds)s seconds. Split it, or have "
                    "POLYAI_PARSER_SECONDS raised."
                )
                % {"parser_seconds": settings.PARSER_SECONDS}
            )
        if status in FROM_OUTSIDE:
            return _Lost(f"ended by status {status}")
        if status > 0:
            log.error("the process that reads files failed with status %s", status)
            return _Lost(f"failed with status {status}")
        return DamagedFile(
            _(
                "The file broke the program that reads it: it is damaged, or needs more than "
                "%(parser_megabytes)s MB of memory. Open it and save it again, or split it."
            )
            % {"parser_megabytes": settings.PARSER_MEGABYTES}
        )

    def _end(self) -> int:
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        self._questions.close()
        self._answers.close()

    def forget(self) -> None:
        """In a fork: the process belongs to the parent."""
        self._process.returncode = 0
        self._questions.close()
        self._answers.close()


_lock = threading.Lock()
_current: _Process | None = None


def ask(question: dict[str, Any], file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """What the parsers' process says to a question about a file: its head and its body.

    A process that is killed from outside is replaced, once. Raises what the parsers raise, and ParserLost.
    """
    file.seek(0, io.SEEK_END)
    language = {
        "language": to_locale(get_language() or settings.LANGUAGE_CODE),
        "catalogs": str(settings.LOCALE_PATHS[0]),
    }
    question = {**question, **language, "size": file.tell()}
    with _lock:
        try:
            return _told(*_ask_once(question, file))
        except _Lost as loss:
            log.warning("the process that reads files was lost: %s; starting another", loss)
        try:
            return _told(*_ask_once(question, file))
        except _Lost as loss:
            raise ParserLost(
                _("The program that reads files was stopped twice. Try again; see the server's log.")
            ) from loss


def _ask_once(question: dict[str, Any], file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    global _current
    file.seek(0)
    if _current is None or not _current.is_alive:
        close()
        try:
            _current = _Process()
        except OSError as error:
            raise _Lost(f"cannot be started: {error.strerror}") from error
    try:
        # Twice the processor time it is allowed: on a busy machine a process waits for its turn.
        head, body = _current.ask(question, file, 2 * settings.PARSER_SECONDS)
    except BaseException:
        close()  # whatever it was, the next answer in the pipe would be the one to this question
        raise
    if head.get("is_last"):
        close()
    return head, body


def _told(head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    if "code" not in head:
        return head, body
    error = from_code(head["code"], head["message"])
    assert isinstance(error, InvalidInput)
    raise error


def close() -> None:
    """End the process, if there is one."""
    global _current
    if _current is not None:
        _current.close()
        _current = None


def _forget() -> None:
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _current.forget()
        _current = None


atexit.register(close)
os.register_at_fork(after_in_child=_forget)
