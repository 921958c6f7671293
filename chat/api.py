"""Asking over REST."""

from __future__ import annotations

import uuid
from contextlib import aclosing

from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from chat.pipeline import MAX_QUESTION, answer
from chat.types import AnswerCompleted, AnswerFailed, Question
from core.database import release
from core.rest import ErrorBody, error_response


class AskRequest(serializers.Serializer[None]):
    project = serializers.SlugField(help_text="The project's slug.")
    question = serializers.CharField(allow_blank=True, help_text=f"{MAX_QUESTION} characters at most.")
    conversation = serializers.UUIDField(required=False, help_text="Goes on with a conversation; default: a new one.")
    fresh = serializers.BooleanField(default=False, help_text="Do not read the cache; the new answer replaces it.")


class SourceBody(serializers.Serializer[None]):
    n = serializers.IntegerField(help_text="As `[n]` in the answer cites it.")
    document = serializers.CharField()
    document_id = serializers.UUIDField()
    locator = serializers.CharField(help_text="Page or headings, where the document has them.")
    text = serializers.CharField()
    similarity = serializers.FloatField(help_text="Cosine to the question.")


class CacheBody(serializers.Serializer[None]):
    status = serializers.ChoiceField(["hit-exact", "miss", "bypass"])
    similarity = serializers.FloatField(allow_null=True)
    age = serializers.IntegerField(allow_null=True, help_text="Seconds since the answer was written.")


class AskResponse(serializers.Serializer[None]):
    answer = serializers.CharField(help_text="Markdown; every `[n]` in it has a source.")
    sources = SourceBody(many=True)
    cache = CacheBody()
    model = serializers.CharField(help_text="The model that wrote it; `extractive` quotes and does not write.")
    finish_reason = serializers.CharField(help_text="`stop` for an answer that is whole.")
    conversation = serializers.UUIDField(help_text="Send it with the next question to go on.")
    usage = serializers.DictField(child=serializers.IntegerField())
    stages = serializers.DictField(child=serializers.FloatField(), help_text="Milliseconds each.")


def completed_body(event: AnswerCompleted) -> dict[str, object]:
    """A finished answer as the REST API and the terminal's `--json` give it."""
    return {
        "answer": event.text,
        "sources": [
            {
                "n": source.n,
                "document": source.document,
                "document_id": str(source.document_id),
                "locator": source.locator,
                "text": source.text,
                "similarity": source.similarity,
            }
            for source in event.sources
        ],
        "cache": {"status": event.cache.status, "similarity": event.cache.similarity, "age": event.cache.age},
        "model": event.model,
        "finish_reason": event.finish_reason,
        "conversation": str(event.conversation_id),
        "usage": {"prompt_tokens": event.prompt_tokens, "completion_tokens": event.completion_tokens},
        "stages": {stage.stage: stage.milliseconds for stage in event.stages},
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
        """Ask a project's documents. `Cache-Control: no-cache` is the same as `fresh`."""
        asked = AskRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        fields = asked.validated_data
        question = Question(
            actor=actor_of(request),
            project=fields["project"],
            text=fields["question"],
            conversation_id=fields.get("conversation") or uuid.uuid4(),
            origin="api",
            fresh=fields["fresh"] or "no-cache" in request.headers.get("Cache-Control", ""),
        )
        release()  # nothing is held while the model writes
        end = async_to_sync(_end_of)(question)
        if isinstance(end, AnswerFailed):
            return error_response(end.code, end.message, end.status)
        response = Response(completed_body(end))
        response["X-PolyAI-Cache"] = end.cache.status
        if end.cache.age is not None:
            response["Age"] = str(end.cache.age)
        return response


async def _end_of(question: Question) -> AnswerCompleted | AnswerFailed:
    async with aclosing(answer(question)) as events:
        async for event in events:
            if isinstance(event, AnswerCompleted | AnswerFailed):
                return event
    raise AssertionError("the pipeline ended without an end")
