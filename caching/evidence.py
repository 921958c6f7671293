"""Is what an answer was written from still what the documents say?

An answer stands on the passages that it cites. It may be given again while a search for its question finds
each of them unchanged, and finds no newcomer that might have told it otherwise. A newcomer counts when it comes
before a passage that is cited, for whatever reason (its words, an identifier), or when it is at least half as near
to the question as the farthest of these: with MiniLM, a passage on the matter has a cosine of 0.35 and more, one on
something else 0.2 and less. In doubt the evidence has changed, which costs a generation and never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from caching.types import CachedAnswer, Source

RELEVANT = 0.5  # of the similarity of the farthest cited passage


def renewed(
    answer: CachedAnswer, cited: Collection[int], found: Sequence[Source], corpus_version: int
) -> CachedAnswer | None:
    """The answer for another version of the documents, None when its evidence is not theirs any more.

    `cited` are the numbers in its text, each of which must have its source; `found` is what a search for its
    question finds under `corpus_version`, best first. Sources that it does not cite and that are not found now are
    left out.
    """
    now = {_identity(source): source for source in found}
    before = {_identity(source) for source in answer.sources}
    needed = [source for source in answer.sources if source.n in cited]
    if len(needed) < max(1, len(set(cited))) or any(_identity(source) not in now for source in needed):
        return None
    farthest = min(now[_identity(source)].similarity for source in needed)
    relevant = min(farthest, RELEVANT * farthest)  # below zero, half as near is nearer
    cited_identities = {_identity(source) for source in needed}
    last = max(place for place, source in enumerate(found) if _identity(source) in cited_identities)
    newcomers = [(place, source) for place, source in enumerate(found) if _identity(source) not in before]
    # Said this way round, a similarity that is no number counts as near.
    if not all(place > last and source.similarity < relevant for place, source in newcomers):
        return None
    # The same words may have a new chunk by now, as when another part of their document was edited.
    sources = [replace(now[_identity(s)], n=s.n) for s in answer.sources if _identity(s) in now]
    return replace(answer, sources=tuple(sources), corpus_version=corpus_version)


def _identity(source: Source) -> tuple[UUID, str]:
    return source.document_id, source.content_hash
