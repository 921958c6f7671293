"""One turn while it runs: what is known of it so far, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from caching import history, ledger
from caching.types import Found, Lookup, Match, Source, Turn
from chat import audits, services, titles
from chat.generation import Written, share
from chat.grounding import check_citations, highest_number
from chat.inquiry import inquire
from chat.lookup import embed, find_exact, find_similar, find_stale
from chat.models import Message
from chat.selectors import list_turns
from chat.types import (
    AnswerCompleted,
    AnswerFailed,
    AnswerRestarted,
    AnswerStarted,
    CacheFacts,
    Event,
    Question,
    SourcesFound,
    StageTimed,
    TextDelta,
    TurnEnd,
    TurnStart,
    facts_of,
)
from core.database import in_db
from core.errors import PolyAIError, ProviderError
from providers.types import ChatModel, Completion, Embedder, Vector

log = logging.getLogger(__name__)


class RunningTurn:
    """Between `start` and one of `complete`, `stop` and `fail`; only the first of them counts."""

    def __init__(self, question: Question, start: TurnStart, model: ChatModel, embedder: Embedder) -> None:
        self.question, self.start = start.settle(question), start
        self.is_open = True
        self._has_begun = False
        self.sources: tuple[Source, ...] = ()
        self._began = time.perf_counter()
        self._storing: asyncio.Future[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._model, self._embedder = model, embedder
        self._inquiry = inquire(self.question, start, (), model, embedder)
        self._status = "bypass" if question.passes_cache_by else "miss"
        self._match: Match | None = None
        self._found = Found()
        self._faults: set[str] = set()
        self._parts: list[str] = []
        self._completion = Completion(model=model.name, finish_reason="")
        self._stages: dict[str, float] = {}
        self._first_words: float | None = None

    def _start(self) -> AnswerStarted:
        self._has_begun = True
        s = self.start
        return AnswerStarted(
            conversation_id=s.conversation_id,
            question_id=s.question_id,
            answer_id=s.answer_id,
            title=s.title,
            question=self.question.text,
            follows=s.tip,
        )

    @property
    def text(self) -> str:
        """What has come so far; a number without a source never shows."""
        return check_citations("".join(self._parts), highest_number(self.sources)).strip()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._time(name, began)

    async def load_history(self) -> tuple[Turn, ...]:
        tip = self.start.tip
        if tip is None:
            return ()
        return await history.load(self.start.conversation_id, tip, lambda: in_db(list_turns)(tip))

    def inquire(self, before: Sequence[Turn]) -> None:
        """Settle what this question, after `before`, asks of the caches and of the model."""
        self._inquiry = inquire(self.question, self.start, before, self._model, self._embedder)

    async def find_exact(self) -> Match | None:
        return await find_exact(self._inquiry, self._faults)

    async def embed(self) -> Vector | None:
        return await embed(self._inquiry, self._faults)

    async def find_similar(self, vector: Vector | None) -> Match | None:
        self._found = await find_similar(self._inquiry, vector, self._faults)
        return self._found.match

    def replay(self, match: Match, *, status: str = "") -> Iterator[AnswerStarted | SourcesFound | TextDelta]:
        """A cached answer, told as if it were being written."""
        self._match, self._status = match, status or f"hit-{match.layer}"
        answer = match.answer
        self._completion = Completion(model=answer.model, finish_reason="stop")
        if not self._has_begun:
            yield self._start()
        self.sources, self._parts = answer.sources, [answer.text]
        yield SourcesFound(sources=self.sources)
        self._time_first_words()
        yield TextDelta(text=answer.text)

    async def begin(self) -> AnswerStarted:
        """Store the question before a model is asked: whatever becomes of the answer, it was asked."""
        if not self.question.is_kept:
            return self._start()
        with self.stage("store"):
            self._storing = asyncio.ensure_future(in_db(services.store_turn)(self.question, self.start))
            await asyncio.shield(self._storing)  # cancelled or not, it is stored once and whole
        self._saving = asyncio.create_task(self._save_now_and_then())
        return self._start()

    async def generate(self, vector: Vector | None) -> AsyncGenerator[Event, None]:
        """The model's words as they come, shared with whoever asks the same now. When the model is down before it
        said anything, an expired answer whose evidence still holds takes its place."""
        began = time.perf_counter()
        try:
            async with aclosing(share(self._inquiry, vector, self.start.answer_id)) as steps:
                async for step in steps:
                    match step:
                        case AnswerRestarted():
                            self.sources, self._parts = (), []
                        case SourcesFound():
                            self.sources = step.sources
                            self._time("retrieve", began)
                            began = time.perf_counter()
                        case TextDelta():
                            if not self._parts:
                                self._time("first token", began)
                                self._time_first_words()
                            self._parts.append(step.text)
                        case Written():
                            self._time("generate", began)
                            self._completion = step.completion
                            self._faults.update(step.faults)
                            self._status = "coalesced" if step.is_coalesced else self._status
                            return
                    yield step
        except ProviderError:
            stale = None if self._parts else await find_stale(self._inquiry, self._faults)
            if stale is None:
                raise
            for event in self.replay(stale, status="stale"):
                yield event

    async def _save_now_and_then(self) -> None:
        """Keep what has come, and show that somebody still writes, until the turn ends."""
        while True:
            await asyncio.sleep(services.SAVE_EVERY)
            try:
                await in_db(services.save_partial)(self.start.answer_id, self.text, self.sources)
            except PolyAIError as problem:
                log.warning("answer %s: nothing saved (%s)", self.start.answer_id, problem.message)

    async def complete(self) -> AnswerCompleted:
        """Store the answer, remember it in the history, and count it."""
        text, cache, completion = self.text, self._cache_facts(), self._completion
        with self.stage("finish"):
            await self._end(Message.Status.COMPLETE, text, cache=cache)
            await self._remember(text)
            await ledger.record(self._lookup())
            if self._match is not None and self._inquiry.is_shareable and self.question.is_kept:
                await audits.sample(self.start.answer_id, self._inquiry.corpus_version)
            await titles.request(self.question, self.start)
        return AnswerCompleted(
            conversation_id=self.start.conversation_id,
            answer_id=self.start.answer_id,
            text=text,
            sources=self.sources,
            model=completion.model,
            is_extractive=self._model.is_extractive,
            cache=cache,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.usage.prompt_tokens,
            completion_tokens=completion.usage.completion_tokens,
            stages=tuple(StageTimed(stage=name, milliseconds=ms) for name, ms in self._stages.items()),
            finished_at=datetime.now(UTC),
        )

    async def stop(self) -> None:
        """Nobody wants the rest: keep what has come."""
        await self._end_if_possible(Message.Status.STOPPED)

    async def fail(self, error: PolyAIError) -> AnswerFailed:
        """Keep what has come, with the reason why no more did."""
        if self.is_open:
            await self._end_if_possible(Message.Status.FAILED, error.message)
        return AnswerFailed.of(error, self.start.answer_id, self.text)

    def _time(self, stage: str, began: float) -> None:
        self._stages[stage] = round((time.perf_counter() - began) * 1000, 2)

    def _time_first_words(self) -> None:
        self._first_words = (time.perf_counter() - self._began) * 1000

    async def _end_if_possible(self, status: Message.Status, error: str = "") -> None:
        """The reader has been told already, or has gone: a store that is down is for the log, and the sweep."""
        try:
            await self._end(status, self.text, error=error)
        except PolyAIError as problem:
            log.error("answer %s could not be marked %s: %s", self.start.answer_id, status, problem.message)

    async def _end(
        self, status: Message.Status, text: str, *, error: str = "", cache: CacheFacts | None = None
    ) -> None:
        self.is_open = False
        if self._saving is not None:
            self._saving.cancel()
        end = TurnEnd(
            answer_id=self.start.answer_id,
            status=status,
            text=text,
            sources=self.sources,
            model=self._completion.model,
            is_extractive=self._model.is_extractive,
            finish_reason=self._completion.finish_reason,
            error=error,
            prompt_tokens=self._completion.usage.prompt_tokens,
            completion_tokens=self._completion.usage.completion_tokens,
            cache=cache,
            stages=dict(self._stages),
        )
        if not self.question.is_kept:
            return
        if self._storing is None:
            await in_db(services.store_turn)(self.question, self.start, end)
        else:
            await self._storing
            await in_db(services.end_turn)(end)

    async def _remember(self, text: str) -> None:
        if not self.question.is_kept:
            return
        start = self.start
        asked = Turn(id=start.question_id, role="user", content=self.question.text)
        answered = Turn(id=start.answer_id, role="assistant", content=text)
        await history.push(start.conversation_id, [asked, answered], after=start.tip)

    def _cache_facts(self) -> CacheFacts:
        match = self._match
        if match is None:
            return CacheFacts(status=self._status)
        facts = facts_of(match.answer, match.entry_id)
        return replace(
            facts,
            status=self._status,
            similarity=match.similarity,
            probability=match.probability,
            error=match.error,
        )

    def _lookup(self) -> Lookup:
        match, found, usage = self._match, self._found, self._completion.usage
        avoided = match.answer if match else None
        return Lookup(
            id=self.start.answer_id,
            project_id=self.start.project_id,
            asked_at=datetime.now(UTC),
            status=self._status,
            question=self.question.text,
            question_key=self._inquiry.question_key,
            is_standalone=self._inquiry.is_shareable,
            milliseconds=round(self._first_words or 0.0, 2),
            entry_id=match.entry_id if match else None,
            similarity=found.similarity,
            probability=found.probability,
            veto="" if match else found.veto,
            model=self._completion.model,
            prompt_tokens=avoided.prompt_tokens if avoided else usage.prompt_tokens,
            completion_tokens=avoided.completion_tokens if avoided else usage.completion_tokens,
            embedded_tokens=len(self._inquiry.search_text) // 4 if "embed" in self._stages else 0,
            opinion_tokens=found.opinion_tokens,
            opinion_model=self._model.name if found.opinion_tokens else "",
            faults=tuple(sorted(self._faults)),
        )
