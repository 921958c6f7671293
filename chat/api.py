"""Asking over REST."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from contextlib import aclosing

from asgiref.sync import async_to_sync
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.models import LOWEST_THRESHOLD
from caching.types import CachedAnswer, Source
from chat.pipeline import MAX_QUESTION, answer
from chat.types import AnswerCompleted, AnswerFailed, CacheFacts, Question
from core.database import release
from core.errors import InvalidInput
from core.rest import ErrorBody, error_response


class AskRequest(serializers.Serializer[None]):
    project = serializers.SlugField(help_text="The project's slug.")
    question = serializers.CharField(allow_blank=True, help_text=f"{MAX_QUESTION} characters at most.")
    conversation = serializers.UUIDField(required=False, help_text="Goes on with a conversation; default: a new one.")
    store = serializers.BooleanField(
        default=True, help_text="false: no conversation remembers this; the fastest way to ask again and again."
    )
    fresh = serializers.BooleanField(default=False, help_text="Do not read the cache; the new answer replaces it.")


class SourceBody(serializers.Serializer[None]):
    n = serializers.IntegerField(help_text="As `[n]` in the answer cites it.")
    document = serializers.CharField()
    document_id = serializers.UUIDField()
    locator = serializers.CharField(help_text="Page or headings, where the document has them.")
    text = serializers.CharField()
    similarity = serializers.FloatField(help_text="Cosine to the question.")


class CacheBody(serializers.Serializer[None]):
    status = serializers.ChoiceField(["hit-exact", "hit-semantic", "miss", "bypass", "coalesced", "stale"])
    similarity = serializers.FloatField(allow_null=True, help_text="Cosine of the asked and the stored question.")
    age = serializers.IntegerField(allow_null=True, help_text="Seconds since the answer was written.")
    question = serializers.CharField(allow_null=True, help_text="The stored question that was taken for this one.")
    error_bound = serializers.FloatField(
        allow_null=True, help_text="Of a semantic hit: upper 95 % bound of the probability that the two differ."
    )
    approved = serializers.BooleanField(help_text="A curator stands for this answer.")
    entry = serializers.UUIDField(allow_null=True, help_text="The cached answer's id.")


class AskResponse(serializers.Serializer[None]):
    answer = serializers.CharField(help_text="Markdown; every `[n]` in it has a source.")
    sources = SourceBody(many=True)
    cache = CacheBody()
    model = serializers.CharField(help_text="The model that wrote it; `extractive` quotes and does not write.")
    finish_reason = serializers.CharField(help_text="`stop` for an answer that is whole.")
    conversation = serializers.UUIDField(
        allow_null=True, help_text="Send it with the next question to go on; null with `store: false`."
    )
    usage = serializers.DictField(child=serializers.IntegerField())
    stages = serializers.DictField(child=serializers.FloatField(), help_text="Milliseconds each.")


def completed_body(event: AnswerCompleted) -> dict[str, object]:
    """A finished answer as the REST API and the terminal's `--json` give it."""
    return {
        **_body(event.text, event.sources, event.cache, event.model),
        "finish_reason": event.finish_reason,
        "conversation": str(event.conversation_id),
        "usage": {"prompt_tokens": event.prompt_tokens, "completion_tokens": event.completion_tokens},
        "stages": {stage.stage: stage.milliseconds for stage in event.stages},
    }


def cached_body(answer: CachedAnswer, facts: CacheFacts) -> dict[str, object]:
    """A cached answer that no conversation remembers, in the same form."""
    return {
        **_body(answer.text, answer.sources, facts, answer.model),
        "finish_reason": "stop",
        "conversation": None,
        "usage": {"prompt_tokens": 0, "completion_tokens": 0},
        "stages": {},
    }


def _body(text: str, sources: Sequence[Source], cache: CacheFacts, model: str) -> dict[str, object]:
    return {
        "answer": text,
        "sources": [
            {
                "n": source.n,
                "document": source.document,
                "document_id": str(source.document_id),
                "locator": source.locator,
                "text": source.text,
                "similarity": source.similarity,
            }
            for source in sources
        ],
        "cache": {
            "status": cache.status,
            "similarity": cache.similarity,
            "age": cache.age,
            "question": cache.question,
            "error_bound": cache.error,
            "approved": cache.is_approved,
            "entry": cache.entry_id,
        },
        "model": model,
    }


class AskView(APIView):
    @extend_schema(
        request=AskRequest,
        responses={
            200: AskResponse,
            "4XX": ErrorBody,
            "5XX": OpenApiResponse(ErrorBody, "The model or a store failed."),
        },
    )
    def post(self, request: Request) -> Response:
        """Ask a project's documents.

        `Cache-Control: no-cache` is the same as `fresh`, `no-store` keeps the answer out of the caches, and
        `X-PolyAI-Cache-Threshold` (0.5 to 1) asks for more similarity than the project does.
        """
        asked = AskRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = asked.validated_data
        wishes = cache_wishes(request.headers.get("Cache-Control", ""))
        if not fields["store"] and fields.get("conversation"):
            raise InvalidInput(_("A conversation cannot go on with 'store': false. Leave one of the two out."))
        question = Question(
            actor=actor_of(request),
            project=fields["project"],
            text=fields["question"],
            conversation_id=fields.get("conversation") or uuid.uuid4(),
            origin="api",
            is_kept=fields["store"],
            fresh=fields["fresh"] or "no-cache" in wishes,
            no_store="no-store" in wishes,
            threshold=parse_threshold(request.headers.get("X-PolyAI-Cache-Threshold", "")),
        )
        release()  # nothing is held while the model writes
        end = async_to_sync(end_of)(question)
        if isinstance(end, AnswerFailed):
            return error_response(end.code, end.message, end.status, retry_after=end.retry_after)
        body = completed_body(end)
        response = Response(body if question.is_kept else {**body, "conversation": None})
        for name, value in cache_headers(end.cache).items():
            response[name] = value
        return response


def cache_wishes(cache_control: str) -> set[str]:
    """The directives of a `Cache-Control` header, in small letters."""
    return {directive.partition("=")[0].strip().lower() for directive in cache_control.split(",")}


def parse_threshold(value: str) -> float | None:
    """The similarity that `X-PolyAI-Cache-Threshold` asks for. Raises InvalidInput."""
    if not value.strip():
        return None
    try:
        threshold = float(value)
    except ValueError:
        threshold = math.nan
    if not LOWEST_THRESHOLD <= threshold <= 1:
        raise InvalidInput(
            _("X-PolyAI-Cache-Threshold must be a number from %(lowest_threshold)s to 1, such as 0.97.")
            % {"lowest_threshold": LOWEST_THRESHOLD}
        )
    return threshold


def cache_headers(facts: CacheFacts) -> dict[str, str]:
    headers = {"X-PolyAI-Cache": facts.status}
    if facts.similarity is not None:
        headers["X-PolyAI-Cache-Similarity"] = str(facts.similarity)
    if facts.age is not None:
        headers["Age"] = str(facts.age)
    return headers


async def end_of(question: Question) -> AnswerCompleted | AnswerFailed:
    """How the pipeline's story of a question ends."""
    async with aclosing(answer(question)) as events:
        async for event in events:
            if isinstance(event, AnswerCompleted | AnswerFailed):
                return event
    raise AssertionError("the pipeline ended without an end")
