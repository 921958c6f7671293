"""Cached answers as rows: admitted, found again, approved, suspended, evicted.

Every answer in Redis is a copy of one of these rows, under a name that its row tells: who takes a row away takes
the copy away too, and where Redis does not answer, moves the project's epoch, so that no copy is found any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from caching import exact
from caching.exact import Unreadable, sources_of
from caching.models import CacheEntry
from caching.types import CachedAnswer, Match, Source
from core.database import in_db
from core.errors import NotFound
from providers.types import Vector

log = logging.getLogger(__name__)


def entry_id(project_id: UUID, request_key: str) -> UUID:
    """The id of a request's row: the same however often its answer is written anew."""
    return uuid5(project_id, request_key)


def list_entries(project_id: UUID) -> QuerySet[CacheEntry]:
    """All entries of a project, newest first; also expired ones that are not purged yet."""
    return CacheEntry.objects.filter(project_id=project_id)


def get_entry(project_id: UUID, entry: UUID) -> CacheEntry:
    """Raises NotFound, also for an entry of another project."""
    found = list_entries(project_id).filter(id=entry).first()
    if found is None:
        raise NotFound(_("This cached answer does not exist any more."))
    return found


def admit(
    answer: CachedAnswer,
    *,
    scope_key: str,
    request_key: str,
    question_key: str,
    embedding_identity: str,
    vector: Vector | None,
) -> bool:
    """Store an answer in place of the one that this request had; whether it was.

    It is not while the documents are at another version than the one that it was written from, nor where a
    curator has approved an answer to the question, nor in place of an approved one that is suspended: what a
    person stood for waits for a person. `vector`, shape (dimensions,), is the question's; None keeps
    the answer from being matched by meaning.
    """
    row = CacheEntry(
        id=entry_id(answer.project_id, request_key),
        project_id=answer.project_id,
        scope_key=scope_key,
        request_key=request_key,
        question_key=question_key,
        question=answer.question,
        embedding=vector,
        dimensions=None if vector is None else len(vector),
        embedding_identity=embedding_identity,
        text=answer.text,
        sources=rows_of(answer.sources),
        chunk_ids=chunks_of(answer.sources),
        model=answer.model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        corpus_version=answer.corpus_version,
        created_at=answer.created_at,
        expires_at=answer.expires_at,
    )
    kept = {"id", "project", "request_key", "approved_at", "approved_by"}
    renewed = [field.name for field in CacheEntry._meta.concrete_fields if field.name not in kept]
    approved = CacheEntry.objects.filter(project_id=answer.project_id, approved_at__isnull=False)
    same = Q(id=row.id)
    if vector is not None:
        same |= Q(question_key=question_key, embedding__isnull=False, suspended_at=None)
    with transaction.atomic():
        version = hold(answer.project_id)
        if version != answer.corpus_version or approved.filter(same).exists():
            return False
        CacheEntry.objects.bulk_create([row], update_conflicts=True, unique_fields=["id"], update_fields=renewed)
    return True


async def copy(answer: CachedAnswer, *, epoch: int, request_key: str) -> None:
    """Copy a row's answer to Redis. The row is looked at again afterwards: of one that was evicted or replaced
    meanwhile no copy lives on. A Redis that is away is no error."""
    await exact.store(epoch, request_key, answer)
    rows = servable(answer.project_id).filter(request_key=request_key, created_at=answer.created_at)
    if not await in_db(rows.exists)():
        await exact.drop(answer.project_id, epoch, request_key)


def find(project_id: UUID, request_key: str, question_key: str | None) -> Match | None:
    """The live answer to this very request, for when Redis has lost its copy; or, for a question without history,
    the one that a curator approved."""
    same = Q(request_key=request_key)
    if question_key is not None:
        same |= Q(question_key=question_key, approved_at__isnull=False, embedding__isnull=False)
    rows = servable(project_id).filter(is_live() | Q(approved_at__isnull=False)).filter(same)
    row = rows.order_by(F("approved_at").desc(nulls_last=True)).first()
    return match_of(row, "exact") if row else None


def find_stale(project_id: UUID, request_key: str, stale_ttl: int) -> Match | None:
    """The answer to this very request that expired not more than `stale_ttl` seconds ago."""
    if not stale_ttl:
        return None
    now = timezone.now()
    rows = servable(project_id).filter(request_key=request_key, created_at__lte=now + exact.SKEW)
    row = rows.filter(expires_at__gt=now - timedelta(seconds=stale_ttl)).first()
    return match_of(row, "exact") if row else None


def renew(entry: UUID, answer: CachedAnswer) -> None:
    """Remember that an answer's evidence was seen under a later version of the documents. Its end stays."""
    CacheEntry.objects.filter(id=entry, corpus_version__lt=answer.corpus_version).update(
        corpus_version=answer.corpus_version,
        sources=rows_of(answer.sources),
        chunk_ids=chunks_of(answer.sources),
    )


def match_of(row: CacheEntry, layer: str) -> Match:
    """A row as a value. Raises Unreadable."""
    try:
        sources = sources_of(row.sources)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(f"the sources of cached answer {row.id}: {type(error).__name__}") from error
    answer = CachedAnswer(
        project_id=row.project_id,
        question=row.question,
        text=row.text,
        sources=sources,
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        corpus_version=row.corpus_version,
        created_at=row.created_at,
        expires_at=row.expires_at,
        is_approved=row.approved_at is not None,
    )
    return Match(entry_id=row.id, answer=answer, layer=layer)


def hold(project_id: UUID) -> int | None:
    """The version of a project's documents, until the transaction ends: admissions come one at a time, and a
    change of the documents, which moves the version, waits or is seen here. Who takes this and rows of the project
    takes this first, or two would wait for each other."""
    project = Project.objects.select_for_update(no_key=True).filter(id=project_id)
    return project.values_list("corpus_version", flat=True).first()


def servable(project_id: UUID) -> QuerySet[CacheEntry]:
    return CacheEntry.objects.filter(project_id=project_id, suspended_at=None).defer("embedding")


def is_live() -> Q:
    """Neither expired nor, after the clock was set back, from a future in which its time would not count."""
    now = timezone.now()
    return Q(created_at__lte=now + exact.SKEW, expires_at__gt=now)


def rows_of(sources: Iterable[Source]) -> list[dict[str, object]]:
    return [
        {
            **asdict(source),
            "chunk_id": str(source.chunk_id),
            "document_id": str(source.document_id),
            "chunk_ids": [str(chunk_id) for chunk_id in source.chunk_ids],
        }
        for source in sources
    ]


def chunks_of(sources: Iterable[Source]) -> list[UUID]:
    """All chunks that an answer stands on: when one of them goes, so does the answer."""
    return list(dict.fromkeys(chunk_id for source in sources for chunk_id in source.chunks))
