"""PolyAI answers questions; this is how. Every transport (browser, REST, terminal) tells this story."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.utils.translation import gettext as _

from caching.canonical import canonical_text
from chat.routing import relevant_history
from chat.selectors import open_turn
from chat.turns import RunningTurn
from chat.types import AnswerFailed, Event, Question
from core.database import in_db
from core.errors import InvalidInput, PolyAIError, TooLong
from core.languages import localized
from knowledge.spaces import find_serving_embedder
from providers.registry import get_chat_model

log = logging.getLogger(__name__)
MAX_QUESTION = 8_000  # characters: about 2,000 tokens, beside which the passages still fit a small model


async def answer(question: Question) -> AsyncGenerator[Event, None]:
    """Answer one question: AnswerStarted, SourcesFound, TextDelta …, AnswerCompleted; or AnswerFailed at any point.

    The answer comes from the exact cache, from the semantic cache, or is found in the documents and written.

    Close the generator (`aclosing`), or cancel the task that runs it, to stop: the text so far is kept.
    """
    turn: RunningTurn | None = None
    try:
        admit(question)
        model, embedder = get_chat_model(question.model), await find_serving_embedder()
        turn = RunningTurn(question, await in_db(open_turn)(question), model, embedder)
        with turn.stage("history"):
            turn.inquire(relevant_history(turn.question.text, await turn.load_history()))
        with turn.stage("exact cache"):
            match, vector = await turn.find_exact(), None
        if match is None:
            with turn.stage("embed"):
                vector = await turn.embed()
            with turn.stage("semantic cache"):
                match = await turn.find_similar(vector)

        if match is not None:
            for told in turn.replay(match):
                yield told
        else:
            yield await turn.begin()
            async with aclosing(turn.generate(vector)) as written:
                async for event in written:
                    yield event

        yield await turn.complete()
        await turn.follow_up()
    except PolyAIError as error:
        yield await turn.fail(error) if turn else AnswerFailed.of(error)
    except Exception:  # the last border: whatever was not foreseen is logged here and told in our words
        log.exception("an answer failed")
        unforeseen = PolyAIError(_("Something went wrong on the server. Its log says what."))
        yield await turn.fail(unforeseen) if turn else AnswerFailed.of(unforeseen)
    finally:
        if turn is not None and turn.is_open:  # closed or cancelled
            await asyncio.shield(turn.stop())


def admit(question: Question) -> None:
    """Raises InvalidInput, TooLong for a question that cannot be asked of anybody."""
    text = canonical_text(question.text)
    if not text and not (question.branch and question.branch.is_again):
        raise InvalidInput(_("Type a question first."))
    if len(text) > MAX_QUESTION:
        raise TooLong(
            _("The question has %(length)s characters; %(limit)s is the limit. Upload long texts instead.")
            % {"length": localized(len(text)), "limit": localized(MAX_QUESTION)}
        )
