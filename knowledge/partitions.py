"""Where vectors lie: a table for each space; in it one that small projects share, and one for each grown project.

    knowledge_chunkembedding                     by space
    └── vectors_<space>                          by project
        ├── vectors_<space>_shared               every project that has no table of its own: searched exactly
        └── vectors_<space, 16 digits>_<project> a grown project, with an HNSW index of its own

What was measured, and why so: docs/adr/0001. Every step may be done twice, and whoever is killed in the middle is
followed up by `repair`, which beat calls.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import OperationalError, connection, transaction

from accounts.models import Project
from knowledge.indexes import list_unindexed, make_index
from knowledge.models import ChunkEmbedding, EmbeddingSpace
from knowledge.tables import (
    Own,
    ask,
    brief,
    exists,
    hurry,
    list_own,
    list_spaces,
    only_one,
    own_table,
    run,
    shared_table,
    space_table,
)

log = logging.getLogger(__name__)
GROWN = 5_000  # vectors from which a project has a table of its own: an exact search of so many takes 2 ms
INLINE = 1900  # numbers that fit a row's page; longer vectors lie beside it, and take three times as long to read
PARENT = ChunkEmbedding._meta.db_table
_COLUMNS = "chunk_id, space_id, project_id, embedding"


def make_space(space: EmbeddingSpace) -> None:
    """The tables of a new space, unless they are there. Within the transaction that makes the space."""
    table, shared = space_table(space.id), shared_table(space.id)
    if exists(table):
        return
    storage = "PLAIN" if space.dimensions <= INLINE else "EXTERNAL"
    run(
        # Made apart and attached: CREATE … PARTITION OF would lock out the searches of all spaces.
        f"CREATE TABLE {table} (LIKE {PARENT}) PARTITION BY LIST (project_id)",
        f"CREATE TABLE {shared} (LIKE {PARENT})",
        f"ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE {storage}",
        f"ALTER TABLE {shared} ALTER COLUMN embedding SET STORAGE {storage}",
        f"ALTER TABLE {table} ATTACH PARTITION {shared} DEFAULT",
        f"ALTER TABLE {PARENT} ATTACH PARTITION {table} FOR VALUES IN ('{space.id}')",
    )


def drop_space(space_id: UUID) -> None:
    """Remove a dropped space's tables, one at a time: PostgreSQL has locks for some thousands in one transaction. What
    others hold too long is left to `repair`. Not within a transaction."""
    for own in list_own():
        if own.space_digits == space_id.hex[:16]:
            _drop(own.table)
    _drop(space_table(space_id))


def drop_project(project_id: UUID) -> None:
    """Remove a deleted project's vectors, from every space. What others hold too long is left to `repair`."""
    for own in list_own():
        if own.project_id == project_id:
            _drop(own.table)
    ChunkEmbedding.objects.filter(project_id=project_id).delete()


def size(space_id: UUID) -> int:
    """Bytes on disk, indexes included."""
    rows = ask(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(to_regclass(%s))", space_table(space_id)
    )
    return int(rows[0][0] or 0)


# --- A project that has grown -------------------------------------------------------------------


def list_grown(space: EmbeddingSpace) -> list[UUID]:
    """The projects that have more vectors in the shared table than a search should look at one by one."""
    shared = shared_table(space.id)
    if not exists(shared) or not ask(f"SELECT 1 FROM {shared} OFFSET %s LIMIT 1", GROWN):
        return []
    rows = ask(f"SELECT project_id FROM {shared} GROUP BY project_id HAVING count(*) > %s", GROWN)
    return [project_id for (project_id,) in rows]


def promote(space: EmbeddingSpace, project_id: UUID) -> bool:
    """Give a project a table of its own, with its index; whether it has one now. Not within a transaction.

    Its vectors are copied and indexed while searches and ingestion go on in the shared table. Then the two change
    places: writers wait while what came meanwhile is copied, and searches of the space while PostgreSQL looks through
    the shared table for rows that should not be there (0.3 s for a million).
    """
    table, shared = own_table(space.id, project_id), shared_table(space.id)
    with only_one(table) as is_free:
        if not is_free or not exists(shared):
            return False
        if table not in {own.table for own in list_own() if own.is_attached}:
            if not exists(table):
                _make_own(space, project_id)
            _copy(shared, table, project_id)
            _make_keys(table)
            make_index(space, table)
            _change_places(space, project_id)
            run(f"ANALYZE {table}")
            log.info("space %s: project %s has a table of its own", space, project_id)
        return True


def _make_own(space: EmbeddingSpace, project_id: UUID) -> None:
    table = own_table(space.id, project_id)
    check = f"space_id = '{space.id}' AND project_id = '{project_id}'"  # so that attaching need not look at the rows
    run(
        f"CREATE TABLE {table} (LIKE {shared_table(space.id)} INCLUDING STORAGE, "
        f"CONSTRAINT {table}_ours CHECK ({check}))"
    )


def _copy(shared: str, table: str, project_id: UUID) -> None:
    """Bring the project's own table up to date with the shared one."""
    here = "here.chunk_id = there.chunk_id AND here.embedding = there.embedding"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} here WHERE NOT EXISTS "
            f"(SELECT 1 FROM {shared} there WHERE there.project_id = %s AND {here})",
            [project_id],
        )
        cursor.execute(
            f"INSERT INTO {table} ({_COLUMNS}) SELECT {_COLUMNS} FROM {shared} there "
            f"WHERE there.project_id = %s AND NOT EXISTS (SELECT 1 FROM {table} here WHERE {here})",
            [project_id],
        )


def _make_keys(table: str) -> None:
    if not ask("SELECT 1 FROM pg_index WHERE indrelid = to_regclass(%s) AND indisprimary", table):
        with transaction.atomic():
            run(
                f"ALTER TABLE {table} ADD PRIMARY KEY (space_id, project_id, chunk_id)",
                f"CREATE INDEX ON {table} (chunk_id)",
            )


def _change_places(space: EmbeddingSpace, project_id: UUID) -> None:
    table, shared, whole = own_table(space.id, project_id), shared_table(space.id), space_table(space.id)
    with brief():
        # Writers wait from here on, at the space's table already: who waited at the shared one would hold the former.
        run(f"LOCK TABLE ONLY {whole}, ONLY {shared} IN SHARE ROW EXCLUSIVE MODE")
        _copy(shared, table, project_id)
        hurry()
        run(
            f"DELETE FROM {shared} WHERE project_id = '{project_id}'",
            # Searches wait too, and again at the space's table: one that was let as far as the shared table would look
            # for the project there, in vain.
            f"LOCK TABLE ONLY {whole} IN ACCESS EXCLUSIVE MODE",
            f"ALTER TABLE {whole} ATTACH PARTITION {table} FOR VALUES IN ('{project_id}')",
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_ours",
        )


# --- Upkeep -------------------------------------------------------------------------------------


def repair() -> None:
    """Promote what has grown, index what is not, and remove the tables of projects and spaces that are gone."""
    spaces = {space.id.hex[:16]: space for space in EmbeddingSpace.objects.all()}
    for own in list_own():
        space = spaces.get(own.space_digits)
        if space is None or not Project.objects.filter(id=own.project_id).exists():
            _drop(own.table)
        elif not own.is_attached:
            _follow_up(space, own)
    for space_id in list_spaces():
        if not EmbeddingSpace.objects.filter(id=space_id).exists():
            _drop(space_table(space_id))
    for space in spaces.values():
        if space.status != EmbeddingSpace.Status.BUILDING:  # its vectors are loaded first, then indexed
            arrange(space)


def arrange(space: EmbeddingSpace) -> bool:
    """Promote a space's grown projects and make its missing indexes; whether all of it is in order now."""
    for project_id in list_grown(space):
        try:
            promote(space, project_id)
        except OperationalError as error:
            log.warning("space %s: project %s is promoted later (%s)", space, project_id, str(error).strip())
    for table in list_unindexed(space):
        with only_one(table) as is_free:
            if is_free:
                make_index(space, table, concurrently=True)
    return not list_grown(space) and not list_unindexed(space)


def remove_orphans() -> int:
    """Delete vectors whose chunk or project is gone; their number. No search finds them meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {PARENT} v WHERE NOT EXISTS (SELECT 1 FROM knowledge_chunk c WHERE c.id = v.chunk_id)"
        )
        return int(cursor.rowcount)


def _follow_up(space: EmbeddingSpace, own: Own) -> None:
    """Somebody was killed while promoting: go on, or if the project has shrunk meanwhile, leave nothing behind."""
    if own.project_id not in list_grown(space):
        _drop(own.table)


def _drop(table: str) -> None:
    with only_one(table) as is_free:
        if not is_free:
            return  # somebody is making it; another time
        try:
            with brief():
                if exists(table):
                    run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                    hurry()
                    run(f"DROP TABLE {table}")
        except OperationalError as error:
            log.warning("%s is dropped later (%s)", table, str(error).strip())
