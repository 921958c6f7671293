"""The process that parsers run in: one file after another from standard input, until that is closed.

A question is a line of JSON and then `size` bytes of the file; an answer is a line of JSON and then `size` bytes.
It holds no secrets, cannot grow beyond its limits, and ends with the process that started it.
"""

from __future__ import annotations

import gettext
import json
import os
import resource
import select
import signal
import sys
import threading
from typing import Any, BinaryIO

import psutil

from core.errors import PolyAIError, TooLargeToRead
from knowledge.parsers import parse
from knowledge.parsers.limits import MEGABYTE, Limits

IDLE = 300.0  # seconds without a question, after which the memory is worth more than the start
QUESTIONS = 1_000  # after which a new process takes over: libraries leak a little


def main() -> None:
    megabytes = int(sys.argv[1])
    _confine(megabytes)
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    threading.stack_size(256 * 1024)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for number in range(1, QUESTIONS + 1):
        if not select.select([questions], [], [], IDLE)[0]:
            return
        line = questions.readline()
        if not line:
            return
        head, payload = _answer(json.loads(line), questions)
        # Not ru_maxrss, which a process inherits from the one that started it: a large worker's would do every time.
        grown = psutil.Process().memory_info().rss > megabytes * MEGABYTE // 3
        is_last = number == QUESTIONS or grown or head.get("code") == TooLargeToRead.code
        answers.write(json.dumps({**head, "size": len(payload), "is_last": is_last}).encode() + b"\n")
        answers.write(payload)
        answers.flush()
        if is_last:
            return


def _confine(megabytes: int) -> None:
    """Memory, open files, written files and core dumps; processor time is set for each file."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE,) * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    """Even in the midst of a file: the pipe of questions has no other end any more."""
    watch = select.poll()
    watch.register(0, 0)  # tells of a hang-up unasked
    watch.poll()
    os.killpg(0, signal.SIGKILL)  # tesseract too


def _answer(question: dict[str, Any], questions: BinaryIO) -> tuple[dict[str, Any], bytes]:  # Any: JSON
    try:
        content = questions.read(question["size"])
        limits = Limits(**question["limits"])
        _speak(question["language"], question["catalogs"])
        _allow(limits.seconds)
        if question["page"] is not None:
            from knowledge.parsers.rendering import render

            return {}, render(content, question["page"], question["text"])
        reading = parse(question["name"], content, limits)
        parts = [[p.text, p.page, p.label, p.is_markdown] for p in reading.parts]
        return {"notes": reading.notes}, json.dumps(parts, ensure_ascii=False).encode()
    except PolyAIError as error:
        return {"code": error.code, "message": error.message}, b""
    except MemoryError:
        return {
            "code": TooLargeToRead.code,
            "message": gettext.gettext("The file takes too much memory to be read. Split it."),
        }, b""


def _speak(language: str, catalogs: str) -> None:
    """What is wrong with the file is told in the language of whoever asks. Without Django: it has no place here."""
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("django", catalogs)
    gettext.textdomain("django")


def _allow(seconds: float) -> None:
    """Processor time for this file, on top of what the ones before it took."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
