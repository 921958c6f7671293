"""Answers that a person writes: given to everybody who asks, for as long as the documents bear them out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.types import Actor
from caching import approval
from caching.canonical import canonical_text, question_key
from caching.embeddings import embed_texts
from caching.policy import policy_of
from caching.types import CachedAnswer
from chat.grounding import CITATION, check_citations, cited_numbers
from chat.lookup import numbered
from chat.routing import is_shareable
from core.errors import InvalidInput
from core.languages import localized
from knowledge.retrieval import search
from knowledge.spaces import get_serving_embedder
from knowledge.types import Passage

MAX_ANSWER = 20_000  # characters
WRITTEN = "a curator"  # in the place of a model's name


def find_passages(actor: Actor, project: Project, question: str) -> list[Passage]:
    """What an answer to a question may cite, in the order of its numbers. Raises InvalidInput, ProviderError."""
    text = canonical_text(question)
    if not text or not is_shareable(text, ()):
        raise InvalidInput(_("Write the question so that it stands alone, with what it asks for named in it."))
    embedder = get_serving_embedder()
    return search(actor, project.id, embedder, text, embed_texts(embedder, [text], is_awaited=True)[0])


def write_answer(
    actor: Actor, project: Project, question: str, text: str, seen: Sequence[UUID], user: User | None
) -> UUID:
    """Approve an answer of one's own to a question; its entry's id. It replaces an earlier one.

    `seen` are the chunks that the curator was shown, in the order of their numbers: the text cites them as `[1]`, and
    stands for as long as a search finds those that it cites. Raises InvalidInput, also when the search does not find
    them any more, and ProviderError.
    """
    found = {passage.chunk_id: passage for passage in find_passages(actor, project, question)}
    if not seen or any(chunk_id not in found for chunk_id in seen):
        raise InvalidInput(_("The documents have changed meanwhile. Look at the passages again, then save."))
    sources = numbered([found[chunk_id] for chunk_id in seen])
    text = check_citations(canonical_text(text), len(sources))
    if not text or len(text) > MAX_ANSWER:
        raise InvalidInput(
            _("Write an answer of 1 to %(max_answer)s characters.") % {"max_answer": localized(MAX_ANSWER)}
        )
    cited = cited_numbers(text, len(sources))
    if not re.search(r"\w", CITATION.sub("", text)):
        raise InvalidInput(_("Write an answer beside the numbers of its passages."))
    if not cited:
        raise InvalidInput(
            _("Cite at least one passage, like [1]: the answer is given while that passage is unchanged.")
        )
    now = datetime.now(UTC)
    answer = CachedAnswer(
        project_id=project.id,
        question=question.strip(),
        text=text,
        sources=tuple(source for source in sources if source.n in cited),
        model=WRITTEN,
        prompt_tokens=0,
        completion_tokens=0,
        corpus_version=project.corpus_version,
        created_at=now,
        expires_at=now + timedelta(seconds=policy_of(project).ttl),
    )
    embedder = get_serving_embedder()
    vector = embed_texts(embedder, [canonical_text(question)], is_awaited=True)[0]
    return approval.write(
        answer, question_key=question_key(question), embedding_identity=embedder.identity, vector=vector, user=user
    )
