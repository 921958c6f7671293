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
from caching.types import Found, Match, Source, Turn
from chat import audits, services, titles
from chat.books import cache_facts, end_of, lookup_of
from chat.generation import Step, Written, share, write
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
    TurnStart,
)
from core.database import in_db
from core.errors import PolyAIError, ProviderError, ProviderRateLimited
from providers.extractive import ExtractiveModel
from providers.types import ChatModel, Completion, Embedder, Vector

log = logging.getLogger(__name__)


class RunningTurn:
    """Between `start` and one of `complete`, `stop` and `fail`; only the first of them counts."""

    def __init__(self, question: Question, start: TurnStart, model: ChatModel, embedder: Embedder) -> None:
        self.question, self.start = start.settle(question), start
        self._has_begun = self._has_ended = False
        self.sources: tuple[Source, ...] = ()
        self._began = time.perf_counter()
        self._storing: asyncio.Future[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._completing: asyncio.Task[AnswerCompleted] | None = None
        self.model, self._embedder = model, embedder
        self.inquiry = inquire(self.question, start, (), model, embedder)
        self.status = "bypass" if question.passes_cache_by else "miss"
        self.match: Match | None = None
        self.found = Found()
        self.faults: set[str] = set()
        self._parts: list[str] = []
        self.completion = Completion(model=model.name, finish_reason="")
        self.stages: dict[str, float] = {}
        self.first_words: float | None = None
        self.fault = ""  # why the model did not answer, where the documents are quoted instead

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
    def is_open(self) -> bool:
        return not self._has_ended or (self._completing is not None and not self._completing.done())

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
        self.inquiry = inquire(self.question, self.start, before, self.model, self._embedder)

    async def find_exact(self) -> Match | None:
        return await find_exact(self.inquiry, self.faults)

    async def embed(self) -> Vector | None:
        return await embed(self.inquiry, self.faults)

    async def find_similar(self, vector: Vector | None) -> Match | None:
        self.found = await find_similar(self.inquiry, vector, self.faults)
        return self.found.match

    def replay(self, match: Match, *, status: str = "") -> Iterator[AnswerStarted | SourcesFound | TextDelta]:
        """A cached answer, told as if it were being written."""
        self.match, self.status = match, status or f"hit-{match.layer}"
        answer = match.answer
        self.completion = Completion(model=answer.model, finish_reason="stop")
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
        said anything, an expired answer whose evidence still holds takes its place, else what the documents say."""
        steps = share(self.inquiry, vector, self.start.answer_id)
        try:
            async with aclosing(self._tell(steps)) as events:
                async for event in events:
                    yield event
        except ProviderError as error:
            stale = None if self._parts else await find_stale(self.inquiry, self.faults)
            if stale is not None:
                for event in self.replay(stale, status="stale"):
                    yield event
            elif self._may_quote(error):
                async with aclosing(self._quote(vector, error)) as events:
                    async for event in events:
                        yield event
            else:
                raise

    async def _tell(self, steps: AsyncGenerator[Step | AnswerRestarted, None]) -> AsyncGenerator[Event, None]:
        """The steps of a generation as events, but for the last, which is kept."""
        began = time.perf_counter()
        async with aclosing(steps):
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
                        self.completion = step.completion
                        self.faults.update(step.faults)
                        self.status = "coalesced" if step.is_coalesced else self.status
                        return
                yield step

    def _may_quote(self, error: ProviderError) -> bool:
        """Whether a person is better served with sentences of the documents: not if the model begins in a moment, nor
        if it was asked in the wrong way. A program is told the error: it knows when to try again."""
        is_down = error.retryable and not isinstance(error, ProviderRateLimited)
        return is_down and not self._parts and self.question.origin == "web" and not self.model.is_extractive

    async def _quote(self, vector: Vector | None, error: ProviderError) -> AsyncGenerator[Event, None]:
        self.fault, self.model = error.happened, ExtractiveModel()
        inquiry = replace(self.inquiry, model=self.model, may_read=False, may_write=False, begun=None)
        async with aclosing(self._tell(write(inquiry, vector))) as events:
            async for event in events:
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
        """Store the answer, remember it in the history, and count it: all of that, once it was begun."""
        self._completing = asyncio.create_task(self._complete())
        return await asyncio.shield(self._completing)

    async def _complete(self) -> AnswerCompleted:
        text, cache, completion = self.text, cache_facts(self), self.completion
        with self.stage("finish"):
            await self._end(Message.Status.COMPLETE, text, cache=cache, error=self.fault)
            await self._remember(text)
            await ledger.record(lookup_of(self))
            if self.match is not None and self.inquiry.is_shareable and self.question.is_kept:
                await audits.sample(self.start.answer_id, self.inquiry.corpus_version)
        return AnswerCompleted(
            conversation_id=self.start.conversation_id,
            answer_id=self.start.answer_id,
            text=text,
            sources=self.sources,
            model=completion.model,
            is_extractive=self.model.is_extractive,
            cache=cache,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.usage.prompt_tokens,
            completion_tokens=completion.usage.completion_tokens,
            stages=tuple(StageTimed(stage=name, milliseconds=ms) for name, ms in self.stages.items()),
            finished_at=datetime.now(UTC),
            fault=self.fault,
        )

    async def follow_up(self) -> None:
        """What nobody waits for: the conversation gets a title."""
        await titles.request(self.question, self.start)

    async def stop(self) -> None:
        """Nobody wants the rest: keep what has come, and nothing of a turn that was told to nobody."""
        if self._completing is not None:  # it comes too late
            await asyncio.wait({self._completing})
        if not self._has_ended:
            await self._end_if_possible(Message.Status.STOPPED)

    async def fail(self, error: PolyAIError) -> AnswerFailed:
        """The same, with the reason why no more has come."""
        if self.is_open:
            await self._end_if_possible(Message.Status.FAILED, error.happened)
        return AnswerFailed.of(error, self.start.answer_id if self._has_begun else None, self.text)

    def _time(self, stage: str, began: float) -> None:
        self.stages[stage] = round((time.perf_counter() - began) * 1000, 2)

    def _time_first_words(self) -> None:
        self.first_words = (time.perf_counter() - self._began) * 1000

    async def _end_if_possible(self, status: Message.Status, error: str = "") -> None:
        """The reader has been told already, or has gone: a store that is down is for the log, and the sweep."""
        try:
            if self._has_begun:
                await self._end(status, self.text, error=error)
            else:
                await self._withdraw()
        except PolyAIError as problem:
            log.error("answer %s could not be marked %s: %s", self.start.answer_id, status, problem.message)

    async def _withdraw(self) -> None:
        self._has_ended = True
        if self._storing is None:
            return
        await asyncio.wait({self._storing})
        if self._storing.exception() is None:
            await in_db(services.withdraw_turn)(self.start)

    async def _end(
        self, status: Message.Status, text: str, *, error: str = "", cache: CacheFacts | None = None
    ) -> None:
        self._has_ended = True
        if self._saving is not None:
            self._saving.cancel()
        if not self.question.is_kept:
            return
        end = end_of(self, status, text, error, cache)
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
