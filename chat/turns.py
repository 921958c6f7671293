"""One turn while it runs: what is known of it so far, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from caching import exact, history
from caching.canonical import request_key
from caching.types import CachedAnswer, Scope, Source, Turn
from chat import services
from chat.grounding import check_citations, cited_numbers
from chat.models import Message
from chat.prompts import VERSION
from chat.selectors import list_turns
from chat.types import (
    AnswerCompleted,
    AnswerFailed,
    AnswerStarted,
    CacheFacts,
    Question,
    SourcesFound,
    StageTimed,
    TextDelta,
    TurnEnd,
    TurnStart,
)
from core.database import in_db
from core.errors import PolyAIError, ProviderError
from knowledge.types import Passage
from providers.types import ChatModel, ChatRequest, Completion, Embedder

log = logging.getLogger(__name__)


class RunningTurn:
    """Between `start` and one of `complete`, `stop` and `fail`; only the first of them counts."""

    def __init__(self, question: Question, start: TurnStart, model: ChatModel, embedder: Embedder) -> None:
        self.question, self.start = question, start
        self.is_open = True
        self._storing: asyncio.Future[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self.sources: tuple[Source, ...] = ()
        self._model, self._embedder = model, embedder
        self._parts: list[str] = []
        self._cached: CachedAnswer | None = None
        self._completion = Completion(model=model.name, finish_reason="")
        self._stages: dict[str, float] = {}

    @property
    def started(self) -> AnswerStarted:
        s = self.start
        return AnswerStarted(
            conversation_id=s.conversation_id, question_id=s.question_id, answer_id=s.answer_id, title=s.title
        )

    @property
    def text(self) -> str:
        """What has come so far; a number without a source never shows."""
        return check_citations("".join(self._parts), len(self.sources)).strip()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._time(name, began)

    async def begin(self) -> AnswerStarted:
        """Store the question before a model is asked: whatever becomes of the answer, it was asked."""
        with self.stage("store"):
            self._storing = asyncio.ensure_future(in_db(services.store_turn)(self.question, self.start))
            await asyncio.shield(self._storing)  # cancelled or not, it is stored once and whole
        self._saving = asyncio.create_task(self._save_now_and_then())
        return self.started

    async def load_history(self) -> tuple[Turn, ...]:
        tip = self.start.tip
        if tip is None:
            return ()
        return await history.load(self.start.conversation_id, tip, lambda: in_db(list_turns)(tip))

    def key(self, before: Sequence[Turn]) -> str:
        """The cache key of this question after `before`, within this turn's scope."""
        scope = Scope(
            project_id=self.start.project_id,
            model=self._model.identity,
            prompt_version=VERSION,
            embedding=self._embedder.identity,
            language="",
        )
        return request_key(scope, self.question.text, before)

    async def find_cached(self, key: str) -> CachedAnswer | None:
        if self.question.fresh or not self.start.cache_ttl:
            return None
        return await exact.find(self.start.project_id, key, corpus_version=self.start.corpus_version)

    def replay(self, cached: CachedAnswer) -> Iterator[AnswerStarted | SourcesFound | TextDelta]:
        """A cached answer, told as if it were being written."""
        self._cached = cached
        self._completion = Completion(model=cached.model, finish_reason="stop")
        self.sources = cached.sources
        self._parts = [cached.text]
        yield self.started
        yield SourcesFound(sources=self.sources)
        yield TextDelta(text=cached.text)

    def found(self, passages: Sequence[Passage]) -> SourcesFound:
        self.sources = tuple(Source(n=n, **asdict(passage)) for n, passage in enumerate(passages, start=1))
        return SourcesFound(sources=self.sources)

    async def generate(self, request: ChatRequest) -> AsyncGenerator[TextDelta, None]:
        """The model's words as they come."""
        began = time.perf_counter()
        try:
            async with aclosing(self._model.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, Completion):
                        self._completion = item
                        continue
                    if not self._parts:
                        self._time("first token", began)
                    self._parts.append(item.text)
                    yield TextDelta(text=item.text)
        finally:
            self._time("generate", began)

    async def _save_now_and_then(self) -> None:
        """Keep what has come, and show that somebody still writes, until the turn ends."""
        while True:
            await asyncio.sleep(services.SAVE_EVERY)
            try:
                await in_db(services.save_partial)(self.start.answer_id, self.text)
            except PolyAIError as problem:
                log.warning("answer %s: nothing saved (%s)", self.start.answer_id, problem.message)

    async def complete(self, key: str) -> AnswerCompleted:
        """Store the answer, remember it in the history, and in the cache if it is good enough."""
        text, cache, completion = self.text, self._cache_facts(), self._completion
        if not text:
            raise ProviderError(f"The language model '{self._model.name}' gave an empty answer. Ask again.")
        with self.stage("finish"):
            await self._end(Message.Status.COMPLETE, text, cache=cache)
            await self._remember(text)
            if self._is_admissible(text):
                await exact.store(key, self._cacheable(text))
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
        return failed(error, self)

    def _time(self, stage: str, began: float) -> None:
        self._stages[stage] = round((time.perf_counter() - began) * 1000, 2)

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
        if self._storing is None:
            await in_db(services.store_turn)(self.question, self.start, end)
        else:
            await self._storing
            await in_db(services.end_turn)(end)

    async def _remember(self, text: str) -> None:
        start = self.start
        asked = Turn(id=start.question_id, role="user", content=self.question.text)
        answered = Turn(id=start.answer_id, role="assistant", content=text)
        await history.push(start.conversation_id, [asked, answered], after=start.tip)

    def _cache_facts(self) -> CacheFacts:
        if self._cached is None:
            return CacheFacts(status="bypass" if self.question.fresh else "miss")
        age = int((datetime.now(UTC) - self._cached.created_at).total_seconds())
        return CacheFacts(status="hit-exact", age=max(0, age), question=self._cached.question)

    def _is_admissible(self, text: str) -> bool:
        """Only answers that were just written, whole and grounded may be given to others."""
        whole = self._cached is None and self._completion.finish_reason == "stop" and bool(text)
        return whole and self.start.cache_ttl > 0 and bool(cited_numbers(text, len(self.sources)))

    def _cacheable(self, text: str) -> CachedAnswer:
        now = datetime.now(UTC)
        return CachedAnswer(
            project_id=self.start.project_id,
            question=self.question.text,
            text=text,
            sources=self.sources,
            model=self._completion.model,
            prompt_tokens=self._completion.usage.prompt_tokens,
            completion_tokens=self._completion.usage.completion_tokens,
            corpus_version=self.start.corpus_version,
            created_at=now,
            expires_at=now + timedelta(seconds=self.start.cache_ttl),
        )


def failed(error: PolyAIError, turn: RunningTurn | None = None) -> AnswerFailed:
    """The event that tells of an error, with what of the answer had come."""
    return AnswerFailed(
        code=error.code,
        status=error.status,
        message=error.message,
        retryable=error.retryable,
        answer_id=turn.start.answer_id if turn else None,
        text=turn.text if turn else "",
    )
