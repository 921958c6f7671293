"""Storing and counting the words of chunks: what the lexical side of a search stands on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Q
from django.utils import timezone

from accounts.selectors import get_corpus_version
from knowledge.languages import detect
from knowledge.lexical import SCHEME, count_lexemes, tsvector_literal
from knowledge.models import Chunk, ChunkWords, Document, Lexicon

COMMON = 500  # chunks that have a word, from which on it is remembered as common
SAMPLE = 30_000  # chunks of a large project that are counted for it
GROWTH = 1.2  # by which a project grows before its words are counted again
BATCH = 500


def project_lexeme(project_id: UUID) -> str:
    """What every chunk of a project has among its words, and no text can have."""
    return f"\x01{project_id.hex}"


def store_words(document: Document, chunks: Sequence[Chunk]) -> None:
    """Store the words of a document's new chunks, and the language they are in. Within the transaction that stores
    the chunks; safe to do twice."""
    language = detect("\n".join(chunk.text for chunk in chunks[:: max(1, len(chunks) // 20)])[:20_000])
    rows = [_row(document, chunk, language) for chunk in chunks]
    ChunkWords.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["chunk"],
        update_fields=["words", "length", "document_id", "project_id"],
    )
    Document.objects.filter(id=document.id).update(language=language, words_scheme=SCHEME)
    document.language, document.words_scheme = language, SCHEME
    _note(document.project_id, language, len(rows), sum(row.length for row in rows))


def text_with_headings(document_name: str, chunk: Chunk) -> str:
    """What a chunk is found by: its text under its document's name and headings."""
    metadata = chunk.metadata
    above = [document_name, *metadata.get("heading_path", []), metadata.get("label", ""), metadata.get("context", "")]
    return "\n".join([*above, chunk.text])


def _row(document: Document, chunk: Chunk, language: str) -> ChunkWords:
    counts, length = count_lexemes(text_with_headings(document.name, chunk), language)
    return ChunkWords(
        chunk=chunk,
        project_id=document.project_id,
        document_id=document.id,
        words=f"'{project_lexeme(document.project_id)}':1 {tsvector_literal(counts)}",
        length=length,
    )


def _note(project_id: UUID, language: str, chunks: int, words: int) -> None:
    """Keep the project's size, mean length and languages about right until they are counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO knowledge_lexicon AS old
                (project_id, chunks, mean_length, languages, counted_chunks, counted_version)
            VALUES (%(project)s, %(chunks)s, %(words)s::float / greatest(%(chunks)s, 1), ARRAY[%(language)s], 0, -1)
            ON CONFLICT (project_id) DO UPDATE SET
                chunks = old.chunks + excluded.chunks,
                mean_length = (old.mean_length * old.chunks + %(words)s) / greatest(old.chunks + excluded.chunks, 1),
                languages = CASE WHEN old.languages @> excluded.languages THEN old.languages
                                 ELSE old.languages || excluded.languages END
            """,
            {"project": project_id, "chunks": chunks, "words": words, "language": language},
        )


def fill_words(seconds: float) -> int:
    """Make the words of documents that have none, or those of an older scheme, for so many seconds at most; how many
    documents. Until then these are found by their meaning alone."""
    until = time.monotonic() + seconds
    done = 0
    waiting = Document.objects.filter(words_scheme__lt=SCHEME, live_version=F("version"), live_version__gt=0)
    while time.monotonic() < until:
        with transaction.atomic():
            document = waiting.select_for_update(skip_locked=True).order_by("id").first()
            if document is None:
                return done
            store_words(document, list(document.chunks.all()))
        done += 1
    return done


def recount(project_id: UUID) -> None:
    """Count a project's chunks, their mean length, and which words are common among them: all of them in a small
    project, a sample in a large one."""
    with transaction.atomic(), connection.cursor() as cursor:
        lexicon = Lexicon.objects.select_for_update().filter(project_id=project_id).first()
        if lexicon is None:
            return
        lexicon.counted_version = get_corpus_version(project_id)
        lexicon.counted_at = timezone.now()
        cursor.execute(
            "SELECT count(*), coalesce(avg(length), 0) FROM knowledge_chunkwords WHERE project_id = %s", [project_id]
        )
        lexicon.chunks, lexicon.mean_length = cursor.fetchone()
        lexicon.counted_chunks = lexicon.chunks
        cursor.execute("DELETE FROM knowledge_commonword WHERE project_id = %s", [project_id])
        if lexicon.chunks >= COMMON:
            _count_common(cursor, project_id, share=min(1.0, SAMPLE / lexicon.chunks))
        lexicon.save()


def _count_common(cursor: CursorWrapper, project_id: UUID, share: float) -> None:
    rows = f"SELECT words FROM knowledge_chunkwords WHERE project_id = '{project_id}'"  # noqa: S608  # a UUID
    if share < 1:  # by the id's hash: the same chunks each time, wherever they lie
        rows += f" AND (hashtextextended(chunk_id::text, 0) & 1023) < {round(1024 * share)}"
    cursor.execute(
        """
        INSERT INTO knowledge_commonword (project_id, lexeme, chunks)
        SELECT %(project)s, word, round(ndoc / %(share)s) FROM ts_stat(%(rows)s)
        WHERE ndoc / %(share)s >= %(common)s AND left(word, 1) <> chr(1)
        """,
        {"project": project_id, "share": share, "rows": rows, "common": COMMON},
    )


def recount_changed() -> int:
    """Recount the projects that have grown by a fifth since, and once an hour those that have changed at all; how
    many."""
    an_hour_ago = timezone.now() - timedelta(hours=1)
    has_grown = Q(chunks__gt=GROWTH * F("counted_chunks"))
    has_changed = ~Q(counted_version=F("project__corpus_version")) & Q(counted_at__lt=an_hour_ago)
    projects = list(Lexicon.objects.filter(has_grown | has_changed).values_list("project_id", flat=True))
    for project_id in projects:
        recount(project_id)
    return len(projects)
