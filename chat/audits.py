"""Audits: one hit in a hundred is answered again, in the background, and the two answers are compared.

What a cache gets wrong nobody sees otherwise: readers click on few of the wrong answers. The sample is random,
so that the share of wrong hits in it is an estimate of the share in all.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from celery import current_app
from django.conf import settings
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.selectors import get_corpus_version
from accounts.types import OPERATOR
from caching import ledger
from caching.embeddings import embed_question
from caching.figures import spent
from caching.judgements import is_judged, judge
from caching.models import Judgement
from caching.policy import policy_of
from caching.types import Source
from chat.generation import Written, write
from chat.grounding import check_citations, cited_numbers, highest_number
from chat.inquiry import Inquiry, inquire
from chat.models import Message
from chat.opinion import ask_whether_agreed
from chat.services import judgement_id, judgement_of
from chat.types import Question, SourcesFound, TextDelta, TurnStart
from core.database import in_db
from core.errors import PolyAIError, ProviderRefused
from knowledge.spaces import get_serving_embedder
from providers.registry import get_chat_model

log = logging.getLogger(__name__)
AGREED = 0.5  # of the passages that two quoted answers cite, shared by both


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """A cached answer that was given, as its message tells it."""

    message: Message
    inquiry: Inquiry

    @property
    def cited(self) -> set[str]:
        sources = {source["n"]: source["content_hash"] for source in self.message.sources}
        return {sources[n] for n in cited_numbers(self.message.content, max(sources, default=0)) if n in sources}


async def sample(answer_id: UUID, corpus_version: int) -> None:
    """Have a hit audited, by chance. A queue that is away audits nothing. `corpus_version` is that of the documents
    under which the hit was given."""
    if secrets.SystemRandom().random() >= settings.AUDIT_SHARE:
        return
    arguments = [str(answer_id), corpus_version]
    try:
        await asyncio.to_thread(current_app.send_task, "chat.tasks.audit_hit", arguments, retry=False)
    except OperationalError as error:
        log.warning("queue: a hit is not audited (%s)", type(error).__name__)


async def audit(answer_id: UUID, corpus_version: int) -> bool | None:
    """Answer a hit's question again and judge the hit; whether it was right, None when that cannot be told now: a model
    is down, or the documents are at another version than the one under which the hit was given. Done twice, it judges
    once."""
    hit = await in_db(_find_hit)(answer_id, corpus_version)
    if hit is None:
        return None
    project_id = hit.inquiry.project_id
    figures: Counter[str] = Counter()
    try:
        is_right = await _compare(hit, figures)
        if await in_db(get_corpus_version)(project_id) != corpus_version:
            return None  # the two were not written from the same documents
        await in_db(_judge)(hit.message, is_right)
        return is_right
    except PolyAIError as error:
        log.warning("audit of %s: %s", answer_id, error.message)
        figures["fault:audit"] += 1
        return None
    finally:
        if figures:
            await ledger.acount(project_id, figures)


async def _compare(hit: _Hit, figures: Counter[str]) -> bool:
    """Whether the answer of now says what the cached one said; what it takes to know that is added to `figures`."""
    inquiry, message = hit.inquiry, hit.message
    vector = await embed_question(inquiry.embedder, inquiry.search_text)
    sources: tuple[Source, ...] = ()
    text = ""
    async with aclosing(write(inquiry, vector)) as steps:
        async for step in steps:
            match step:
                case SourcesFound():
                    sources = step.sources
                case TextDelta():
                    text += step.text
                case Written():
                    end = step.completion
                    figures.update(spent("audit", end.model, end.usage.prompt_tokens, end.usage.completion_tokens))
    text = check_citations(text, highest_number(sources)).strip()
    if inquiry.model.is_extractive:
        now = {source.content_hash for source in sources if source.n in cited_numbers(text, len(sources))}
        return len(now & hit.cited) >= AGREED * len(now | hit.cited)
    opinion = await ask_whether_agreed(inquiry.model, inquiry.text, message.content, text)
    figures.update(spent("audit", inquiry.model.name, opinion.prompt_tokens, opinion.completion_tokens))
    if opinion.is_same is None:
        raise ProviderRefused(_("The model '%(name)s' said neither yes nor no.") % {"name": inquiry.model.name})
    return opinion.is_same


def _find_hit(answer_id: UUID, corpus_version: int) -> _Hit | None:
    message = Message.objects.select_related("conversation__project", "parent").filter(id=answer_id).first()
    if message is None or message.parent is None or not message.cache.get("status", "").startswith("hit-"):
        return None
    project = message.conversation.project
    if project.corpus_version != corpus_version or is_judged(judgement_id(message, Judgement.Origin.AUDIT)):
        return None
    start = TurnStart(
        project_id=project.id,
        corpus_version=project.corpus_version,
        policy=policy_of(project),
        conversation_id=uuid4(),
        is_new=True,
        title="",
        tip=None,
        question_id=uuid4(),
        answer_id=uuid4(),
    )
    question = Question(
        actor=OPERATOR, project=project.slug, text=message.parent.content, conversation_id=start.conversation_id
    )
    inquiry = inquire(question, start, (), get_chat_model(), get_serving_embedder())
    return _Hit(message=message, inquiry=replace(inquiry, may_read=False, may_write=False))


def _judge(message: Message, is_right: bool) -> None:
    judge(judgement_of(message, Judgement.Origin.AUDIT, is_right=is_right), message.content)
