"""PolyAI answers questions; this is how. Every transport (browser, REST, terminal) tells this story."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from caching.canonical import canonical_text
from caching.embeddings import embed_question
from chat.prompts import build_request
from chat.routing import relevant_history, search_text
from chat.selectors import open_turn
from chat.turns import RunningTurn, failed
from chat.types import Event, Question
from core.database import in_db
from core.errors import InvalidInput, PolyAIError, TooLong
from knowledge.retrieval import retrieve
from providers.registry import get_chat_model, get_embedder

log = logging.getLogger(__name__)
MAX_QUESTION = 8_000  # characters: about 2,000 tokens, beside which the passages still fit a small model


async def answer(question: Question) -> AsyncGenerator[Event, None]:
    """Answer one question: AnswerStarted, SourcesFound, TextDelta …, AnswerCompleted; or AnswerFailed at any point.

    Close the generator (`aclosing`), or cancel the task that runs it, to stop: the text so far is kept.
    """
    model, embedder = get_chat_model(), get_embedder()
    turn: RunningTurn | None = None
    try:
        admit(question)
        turn = RunningTurn(question, await in_db(open_turn)(question), model, embedder)
        with turn.stage("history"):
            history = relevant_history(question.text, await turn.load_history())
        with turn.stage("exact cache"):
            key = turn.key(history)
            cached = await turn.find_cached(key)

        if cached is not None:
            for event in turn.replay(cached):
                yield event
        else:
            yield await turn.begin()
            with turn.stage("embed"):
                vector = await embed_question(embedder, canonical_text(search_text(question.text, history)))
            with turn.stage("retrieve"):
                passages = await in_db(retrieve)(question.actor, turn.start.project_id, embedder, vector)
            yield turn.found(passages)
            async with aclosing(turn.generate(build_request(question.text, history, passages))) as deltas:
                async for delta in deltas:
                    yield delta

        yield await turn.complete(key)
    except PolyAIError as error:
        yield await turn.fail(error) if turn else failed(error)
    except Exception:  # the last border: whatever was not foreseen is logged here and told in our words
        log.exception("an answer failed")
        unforeseen = PolyAIError("Something went wrong on the server. Its log says what.")
        yield await turn.fail(unforeseen) if turn else failed(unforeseen)
    finally:
        if turn is not None and turn.is_open:  # closed or cancelled in the middle
            await asyncio.shield(turn.stop())


def admit(question: Question) -> None:
    """Raises InvalidInput, TooLong for a question that cannot be asked of anybody."""
    text = canonical_text(question.text)
    if not text:
        raise InvalidInput("Type a question first.")
    if len(text) > MAX_QUESTION:
        raise TooLong(
            f"The question has {len(text):,} characters; {MAX_QUESTION:,} is the limit. Upload long texts instead."
        )
