"""How records get into PostgreSQL: each once, however often it is handed in."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction

from caching.records import Record, columns_of, fault_of, load

log = logging.getLogger(__name__)


def post(rows: Iterable[bytes | str]) -> int:
    """Add records, except those that were added before or whose project is gone; how many were new.

    One that cannot be read or stored is dropped, logged, and counted as a fault of its project if it names one.
    Raises django.db.OperationalError and InterfaceError, with nothing added.
    """
    records = {record.id: record for row in rows if (record := load(row)) is not None}
    in_order = [records[record_id] for record_id in sorted(records)]  # two that post wait, and never lock up
    try:
        return _post(in_order)
    except (DataError, IntegrityError):  # one of them is to blame: each by itself
        return sum(_post_alone(record) for record in in_order)


def _post_alone(record: Record) -> int:
    try:
        return _post([record])
    except (DataError, IntegrityError) as error:
        log.error("ledger: dropped record %s, which cannot be stored (%s)", record.id, type(error).__name__)
        _post([fault_of(record.id, record.project_id, record.day)])
        return 0


@transaction.atomic
def _post(records: Sequence[Record]) -> int:
    projects = _hold_projects({record.project_id for record in records})
    records = [record for record in records if record.project_id in projects]
    new = _insert_lookups([record for record in records if record.lookup is not None])
    new |= _insert_batches([record.id for record in records if record.lookup is None])
    _add(record for record in records if record.id in new)
    return len(new)


def _hold_projects(ids: set[UUID]) -> set[UUID]:
    """Those that exist; none of them can be deleted before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM accounts_project WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [list(ids)])
        return {row[0] for row in cursor.fetchall()}


def _insert_batches(ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that were not there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO caching_ledgerbatch (id, applied_at) SELECT unnest(%s::uuid[]), now() "
            "ON CONFLICT (id) DO NOTHING RETURNING id",
            [list(ids)],
        )
        return {row[0] for row in cursor.fetchall()}


def _insert_lookups(records: Sequence[Record]) -> set[UUID]:
    """The ids of those that were not there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO caching_cachelookup "
            "SELECT * FROM json_populate_recordset(NULL::caching_cachelookup, %s::json) "
            "ON CONFLICT (id) DO NOTHING RETURNING id",
            [json.dumps([columns_of(record) for record in records])],
        )
        return {row[0] for row in cursor.fetchall()}


def _add(records: Iterable[Record]) -> None:
    counts: Counter[tuple[UUID, date, str]] = Counter()
    for record in records:
        for name, value in record.figures.items():
            counts[record.project_id, record.day, name] += value
    keys = sorted(counts)
    columns: list[Sequence[object]] = [*zip(*keys, strict=True)] or [(), (), ()]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO caching_ledgercount AS known (project_id, day, name, value) "
            "SELECT * FROM unnest(%s::uuid[], %s::date[], %s::text[], %s::bigint[]) "
            "ON CONFLICT (project_id, day, name) DO UPDATE SET value = known.value + EXCLUDED.value",
            [*map(list, columns), [counts[key] for key in keys]],
        )
