"""What a document's owner says about it: tags and metadata, to find and filter it by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite

from django.db import transaction

from core.errors import InvalidInput
from core.text import is_storable, nfc, storable
from knowledge import services
from knowledge.bulk import clean_tags
from knowledge.models import Document

MAX_KEYS = 50
KEY_LENGTH = 100
VALUE_LENGTH = 1000
UNSTORABLE = "has a NUL character or half a surrogate pair, which cannot be stored; take it out"


def describe(
    document: Document, *, tags: Iterable[str] | None = None, metadata: Mapping[str, object] | None = None
) -> None:
    """Replace a document's tags or metadata; None leaves them. Raises InvalidInput."""
    wanted = None if tags is None else clean_tags(tags)
    if metadata is not None:
        check_metadata(metadata)
    with transaction.atomic():
        found = Document.objects.select_for_update().get(id=document.id)
        if wanted is not None:
            added = [tag for tag in wanted if tag not in found.tags]
            removed = [tag for tag in found.tags if tag not in wanted]
            if added or removed:
                services.set_tags([found], add=added, remove=removed)
        if metadata is not None and metadata != found.metadata:
            Document.objects.filter(id=document.id).update(metadata=dict(metadata))
            if found.live_version:
                services.move_corpus_version(found.project_id)  # a search that filters by it finds something else


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Raises InvalidInput for what is no flat, small set of keys and values that PostgreSQL can hold."""
    if len(metadata) > MAX_KEYS:
        raise InvalidInput(f"A document has {MAX_KEYS} keys of metadata at most.")
    for key, value in metadata.items():
        if not is_storable(key):
            raise InvalidInput(f"The key '{storable(key)}' of the metadata {UNSTORABLE}.")
        if not key or len(key) > KEY_LENGTH:
            raise InvalidInput(f"A key of metadata has 1 to {KEY_LENGTH} characters.")
        if not (value is None or isinstance(value, str | int | float | bool)):
            raise InvalidInput(f"The value of '{key}' is a list or an object; text, a number, true or false is meant.")
        if isinstance(value, str) and not is_storable(value):
            raise InvalidInput(f"The value of '{key}' in the metadata {UNSTORABLE}.")
        if isinstance(value, float) and not isfinite(value):
            raise InvalidInput(f"The value of '{key}' in the metadata is not a finite number; leave it out.")
        if len(str(value)) > VALUE_LENGTH:
            raise InvalidInput(f"The value of '{key}' has more than {VALUE_LENGTH:,} characters.")


def written(metadata: Mapping[str, object]) -> list[tuple[str, str]]:
    """Metadata as a form shows it: text as it is, everything else as JSON."""
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in metadata.items()]


def readings(typed: str) -> tuple[object, ...]:
    """What somebody may mean who typed a value: the text itself, and what `written` shows so: `"12"` → `("12", 12)`."""
    try:
        value = json.loads(typed)
        check_metadata({"value": value})
    except (ValueError, RecursionError, InvalidInput):
        return (typed,)
    return (typed,) if isinstance(value, str) else (typed, value)


def read(before: Mapping[str, object], pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Metadata as a form sends it back. A value that was not text, and was not touched, stays what it was."""
    shown = dict(written(before))
    found: dict[str, object] = {}
    for typed_key, typed in pairs:
        key, value = nfc(storable(typed_key)).strip(), nfc(storable(typed)).strip()
        if key and value:
            found[key] = before[key] if shown.get(key) == value else value
    return found
