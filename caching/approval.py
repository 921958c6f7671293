"""Answers that a curator stands for: they outlive their time, and not their evidence."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from caching.entries import chunks_of, entry_id, hold, list_entries, rows_of
from caching.eviction import forget_copies, move_epoch
from caching.models import CacheEntry
from caching.types import CachedAnswer
from core.errors import InvalidInput, NotFound
from providers.types import Vector


def write(
    answer: CachedAnswer, *, question_key: str, embedding_identity: str, vector: Vector, user: User | None
) -> UUID:
    """Store an answer that a curator wrote, approved, in place of what the caches had for its question, be it approved.

    Raises InvalidInput where the documents have changed since its passages were found.
    """
    identity = entry_id(answer.project_id, question_key)
    with transaction.atomic():
        if hold(answer.project_id) != answer.corpus_version:
            raise InvalidInput(_("The documents have changed meanwhile. Look at the passages again, then save."))
        CacheEntry.objects.update_or_create(
            id=identity,
            defaults={
                "project_id": answer.project_id,
                "scope_key": "",  # in no model's scope: it serves all of them
                "request_key": question_key,
                "question_key": question_key,
                "question": answer.question,
                "embedding": vector,
                "dimensions": len(vector),
                "embedding_identity": embedding_identity,
                "text": answer.text,
                "sources": rows_of(answer.sources),
                "chunk_ids": chunks_of(answer.sources),
                "model": answer.model,
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.completion_tokens,
                "corpus_version": answer.corpus_version,
                "created_at": answer.created_at,
                "expires_at": answer.expires_at,
                "approved_at": timezone.now(),
                "approved_by": user,
                "suspended_at": None,
                "suspended_because": "",
            },
        )
        # Not an approved answer that belongs to a history, whose question only reads the same.
        same = Q(question_key=question_key) & (Q(approved_at=None) | Q(embedding__isnull=False))
        list_entries(answer.project_id).filter(same).exclude(id=identity).delete()
        move_epoch(answer.project_id)
    return identity


def approve(entry: CacheEntry, user: User | None) -> None:
    """Let an answer outlive its time, as long as its evidence holds. Raises NotFound for one that is gone or was
    written anew, InvalidInput while it is suspended: what it stood on is gone."""
    if entry.suspended_at is not None:
        raise InvalidInput(_("What this answer stood on has changed. Write it anew from the passages of today."))
    entry.approved_at, entry.approved_by = timezone.now(), user
    with transaction.atomic():
        hold(entry.project_id)
        # The answer that the curator has seen: one written anew has another beginning.
        if not CacheEntry.objects.filter(id=entry.id, created_at=entry.created_at).exists():
            raise NotFound(_("This cached answer does not exist any more, or was written anew meanwhile."))
        entry.save(update_fields=["approved_at", "approved_by"])
        transaction.on_commit(lambda: forget_copies(entry.project_id, [entry.request_key]))  # they do not say so


def withdraw(entry: CacheEntry) -> None:
    """End an approval: the answer lives as long as any other, and is forgotten if that time is over."""
    with transaction.atomic():
        hold(entry.project_id)
        rows = CacheEntry.objects.filter(id=entry.id)
        rows.filter(suspended_at__isnull=False).delete()
        rows.update(approved_at=None, approved_by=None)
        transaction.on_commit(lambda: forget_copies(entry.project_id, [entry.request_key]))
