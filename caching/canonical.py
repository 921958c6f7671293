"""One way to write a request down, so that equal requests have equal keys and no two others do."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from caching.types import Scope, Turn
from core.errors import InvalidInput
from core.text import is_storable


def canonical_text(text: str) -> str:
    """NFC, LF line ends, no blanks around. Raises InvalidInput for what is not text."""
    if not is_storable(text):
        raise InvalidInput("The text has a NUL byte or a broken character (half a surrogate pair). Send it as UTF-8.")
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()


def history_digest(history: Sequence[Turn]) -> str:
    """SHA-256 of what was said before; the same for the same words, in whichever conversation."""
    return _sha256([[turn.role, canonical_text(turn.content)] for turn in history])


def request_key(scope: Scope, question: str, history: Sequence[Turn]) -> str:
    """SHA-256, in hexadecimal, of a question within its scope and its history."""
    return _sha256(
        {
            "scope": {**asdict(scope), "project_id": str(scope.project_id)},
            "question": canonical_text(question),
            "history": history_digest(history),
        }
    )


def _sha256(value: Mapping[str, object] | Sequence[object]) -> str:
    # JSON quotes every string, so that no delimiter inside one can look like a border between two.
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()
