"""What readers and audits say of hits, and what the verdict learns from it."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import Project
from caching import eviction
from caching.models import CacheEntry, Judgement
from caching.verdict import fit_offset

LEARNED_FROM = 1000  # judged hits, the newest


def is_judged(judgement_id: UUID) -> bool:
    return Judgement.objects.filter(id=judgement_id).exists()


def judge(judgement: Judgement, answer: str) -> None:
    """Store a judgement of `answer`, once: one with the same id as another changes nothing. A wrong answer leaves every
    cache at once, an approved one waits for its curator; one that was written anew meanwhile is another answer. The
    project's verdict is fitted anew where the judgement tells something about matching."""
    with transaction.atomic():
        # Judgements of a project come one at a time, and before the rows of its caches are locked.
        Project.objects.select_for_update(no_key=True).get(id=judgement.project_id)
        if is_judged(judgement.id):
            return
        rows = CacheEntry.objects.select_for_update().filter(project=judgement.project_id, text=answer)
        entry = rows.filter(id=judgement.entry_id).defer("embedding").first() if judgement.entry_id else None
        judgement.entry = entry
        judgement.save(force_insert=True)
        if entry is not None and not judgement.is_right:
            if entry.approved_at is None:
                eviction.evict(entry)
            else:
                with override(settings.LANGUAGE_CODE):  # whoever judges, its readers are others
                    because = _("%(origin)s: wrong for “%(question)s”.") % {
                        "origin": judgement.get_origin_display(),
                        "question": judgement.asked[:200],
                    }
                eviction.suspend(entry, because)
        if judgement.probability is not None:
            refit(judgement.project)


def refit(project: Project) -> None:
    """Shift the project's verdict to where its judged semantic hits put it."""
    judged = Judgement.objects.filter(project=project, layer="semantic", probability__isnull=False)
    newest = judged.order_by("-created_at").values_list("probability", "is_right")[:LEARNED_FROM]
    offset = fit_offset([(probability, is_right) for probability, is_right in newest if probability is not None])
    Project.objects.filter(id=project.id).update(verdict_offset=offset)
