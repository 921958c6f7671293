"""The HNSW indexes of grown projects: of Malkov & Yashunin 2016 (arXiv:1603.09320), by cosine, one for each table."""

from __future__ import annotations

import logging

from django.db import OperationalError

from knowledge.models import EmbeddingSpace
from knowledge.tables import ask, exists, list_own, run, with_settings

log = logging.getLogger(__name__)
MAX_INDEXED = {"full": 2000, "half": 4000}  # numbers: pgvector's limits for an index
BUILD_MEMORY = 2048  # megabytes at most for building an index; what does not fit takes several times as long


def index_name(table: str, precision: str) -> str:
    return f"{table}_{'hnsw' if precision == 'full' else 'half'}"


def typed(column: str, space: EmbeddingSpace) -> str:
    """The column as the space's indexes have it, in SQL."""
    return f"{column}::{'vector' if space.precision == 'full' else 'halfvec'}({space.dimensions:d})"


def can_be_indexed(space: EmbeddingSpace) -> bool:
    """Whether pgvector has an index for vectors of this size. Others are searched one by one."""
    return 0 < space.dimensions <= MAX_INDEXED[space.precision]


def make_index(space: EmbeddingSpace, table: str, *, concurrently: bool = False) -> None:
    """The HNSW index of a grown project's table, unless there is one that is whole."""
    name = index_name(table, space.precision)
    if not can_be_indexed(space) or name in _whole_indexes():
        return
    if exists(name):  # one whose making was interrupted
        run(f"DROP INDEX {'CONCURRENTLY' if concurrently else ''} {name}")
    classes = {"full": "vector_cosine_ops", "half": "halfvec_cosine_ops"}
    statement = (
        f"CREATE INDEX {'CONCURRENTLY' if concurrently else ''} {name} ON {table} "
        f"USING hnsw (({typed('embedding', space)}) {classes[space.precision]}) WITH (m = 16, ef_construction = 64)"
    )
    (rows,) = ask(f"SELECT count(*) FROM {table}")[0]
    needed = rows * (space.dimensions * (4 if space.precision == "full" else 2) + 400) // 1024**2 + 64
    with with_settings(maintenance_work_mem=f"{min(needed, BUILD_MEMORY)}MB"):
        try:
            run(statement)
        except OperationalError as error:
            # A container's shared memory is small by default, and workers of an index have theirs there.
            log.warning("%s: %s; building it without parallel workers", name, str(error).strip())
            run(f"DROP INDEX IF EXISTS {name}")
            with with_settings(max_parallel_maintenance_workers="0"):
                run(statement)


def change_precision(space: EmbeddingSpace, precision: str) -> None:
    """Index a space by full or by half precision. Searches use the old indexes until the new ones are there."""
    before = space.precision
    space.precision = precision
    tables = [own.table for own in list_own() if own.is_attached and own.space_digits == space.id.hex[:16]]
    for table in tables:
        make_index(space, table, concurrently=True)
    EmbeddingSpace.objects.filter(id=space.id).update(precision=precision)
    if before != precision:
        for table in tables:
            run(f"DROP INDEX CONCURRENTLY IF EXISTS {index_name(table, before)}")


def _whole_indexes() -> set[str]:
    rows = ask(
        "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid "
        "WHERE starts_with(relname, 'vectors_') AND indisvalid"
    )
    return {name for (name,) in rows}


def list_unindexed(space: EmbeddingSpace) -> list[str]:
    """The tables of grown projects that should have an index and have none that is whole."""
    if not can_be_indexed(space):
        return []
    whole = _whole_indexes()
    ours = [own for own in list_own() if own.is_attached and own.space_digits == space.id.hex[:16]]
    return [own.table for own in ours if index_name(own.table, space.precision) not in whole]
