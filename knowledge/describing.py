"""What a document's owner says about it: tags and metadata, to find and filter it by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite

from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import InvalidInput
from core.languages import localized
from core.text import is_storable, nfc, storable
from knowledge import services
from knowledge.bulk import clean_tags
from knowledge.models import Document

MAX_KEYS = 50
KEY_LENGTH = 100
VALUE_LENGTH = 1000


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
        raise InvalidInput(_("A document has %(max_keys)s keys of metadata at most.") % {"max_keys": MAX_KEYS})
    for key, value in metadata.items():
        if not is_storable(key):
            raise InvalidInput(
                _(
                    "The key '%(key)s' of the metadata has a NUL character or half a surrogate pair, "
                    "which cannot be stored; take it out."
                )
                % {"key": storable(key)}
            )
        if not key or len(key) > KEY_LENGTH:
            raise InvalidInput(_("A key of metadata has 1 to %(key_length)s characters.") % {"key_length": KEY_LENGTH})
        if not (value is None or isinstance(value, str | int | float | bool)):
            raise InvalidInput(
                _("The value of '%(key)s' is a list or an object; text, a number, true or false is meant.")
                % {"key": key}
            )
        if isinstance(value, str) and not is_storable(value):
            raise InvalidInput(
                _(
                    "The value of '%(key)s' in the metadata has a NUL character or half a surrogate pair, "
                    "which cannot be stored; take it out."
                )
                % {"key": key}
            )
        if isinstance(value, float) and not isfinite(value):
            raise InvalidInput(
                _("The value of '%(key)s' in the metadata is not a finite number; leave it out.") % {"key": key}
            )
        if len(str(value)) > VALUE_LENGTH:
            raise InvalidInput(
                _("The value of '%(key)s' has more than %(value_length)s characters.")
                % {"key": key, "value_length": localized(VALUE_LENGTH)}
            )


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
