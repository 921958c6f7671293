"""What the ledger keeps of one lookup, or of figures that belong to none, as a value and as a row of JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

from caching.figures import NAMES, figures_of
from caching.types import Lookup

log = logging.getLogger(__name__)
MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`lookup` holds the columns of a CacheLookup; None for figures that belong to none."""

    id: UUID
    project_id: UUID
    day: date  # UTC
    figures: Mapping[str, int]
    lookup: Mapping[str, object] | None = None


def record_of(lookup: Lookup, extra: Mapping[str, int]) -> Record:
    """Raises ValueError for an extra figure that has no name in the ledger."""
    figures = figures_of(lookup)
    figures.update(_checked(extra))
    columns = {
        "asked_at": lookup.asked_at.isoformat(),
        "status": lookup.status,
        "question": _storable(lookup.question)[:500],
        "question_key": lookup.question_key,
        "is_standalone": lookup.is_standalone,
        "entry_id": str(lookup.entry_id) if lookup.entry_id else None,
        "similarity": lookup.similarity,
        "probability": lookup.probability,
        "veto": lookup.veto[:20],
        "milliseconds": lookup.milliseconds,
        "model": _storable(lookup.model)[:200],
        "prompt_tokens": min(lookup.prompt_tokens, MAX_INTEGER),
        "completion_tokens": min(lookup.completion_tokens, MAX_INTEGER),
    }
    day = lookup.asked_at.astimezone(UTC).date()
    return Record(id=lookup.id, project_id=lookup.project_id, day=day, figures=figures, lookup=columns)


def record_of_figures(project_id: UUID, figures: Mapping[str, int]) -> Record:
    """Of today. Raises ValueError for a figure that has no name in the ledger."""
    return Record(id=uuid4(), project_id=project_id, day=datetime.now(UTC).date(), figures=_checked(figures))


def fault_of(record_id: UUID, project_id: UUID, day: date) -> Record:
    """What takes the place of a record that cannot be read or stored."""
    return Record(id=record_id, project_id=project_id, day=day, figures={"fault:ledger": 1})


def dump(record: Record) -> bytes:
    fields = {
        "id": str(record.id),
        "project_id": str(record.project_id),
        "day": record.day.isoformat(),
        "figures": record.figures,
        "lookup": record.lookup,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def load(row: bytes | str) -> Record | None:
    """A row's record. Of one that cannot be read: a fault of its project, or None where it does not even name that."""
    try:
        fields = json.loads(row)
        record_id, project_id = UUID(fields["id"]), UUID(fields["project_id"])
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        log.error("ledger: dropped a row that cannot be read (%s)", type(error).__name__)
        return None
    try:
        day = date.fromisoformat(fields["day"])
        figures = _checked({str(name): int(value) for name, value in fields["figures"].items()})
        lookup = None if fields["lookup"] is None else dict(fields["lookup"])
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        log.error("ledger: dropped record %s, which cannot be read (%s)", record_id, type(error).__name__)
        return fault_of(record_id, project_id, datetime.now(UTC).date())
    return Record(id=record_id, project_id=project_id, day=day, figures=figures, lookup=lookup)


def columns_of(record: Record) -> dict[str, Any]:  # Any: JSON
    """A row of the table of lookups."""
    return {**(record.lookup or {}), "id": str(record.id), "project_id": str(record.project_id)}


def _checked(figures: Mapping[str, int]) -> Mapping[str, int]:
    if unknown := figures.keys() - NAMES:
        raise ValueError(f"no figures of the ledger: {', '.join(sorted(unknown))}")
    return figures


def _storable(text: str) -> str:
    """As PostgreSQL can keep it: neither half a surrogate pair nor NUL."""
    return text.encode(errors="replace").decode().replace("\x00", "")
