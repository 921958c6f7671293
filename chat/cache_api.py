"""Writing an approved answer over REST; the rest of a cache's entries is in caching.api."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import actor_of
from accounts.models import User
from caching.api import CachedAnswersViewSet, project_of
from caching.bodies import EntryDetailBody
from caching.entries import get_entry
from chat.curation import MAX_ANSWER, write_answer
from chat.pipeline import MAX_QUESTION
from core.rest import ErrorBody


class WrittenAnswer(serializers.Serializer[None]):
    question = serializers.CharField(max_length=MAX_QUESTION, help_text="Standing alone.")
    answer = serializers.CharField(
        max_length=MAX_ANSWER,
        help_text="Markdown that cites, as `[1]`, the first of `passages`, and so on.",
    )
    passages = serializers.ListField(
        child=serializers.UUIDField(),
        max_length=20,
        help_text="`chunk_id` of what `search` finds for the question, in the order in which the answer numbers them.",
    )


class CacheEntriesViewSet(CachedAnswersViewSet):
    @extend_schema(request=WrittenAnswer, responses={201: EntryDetailBody, "4XX": ErrorBody, "5XX": ErrorBody})
    def create(self, request: Request, slug: str) -> Response:
        """Write an answer and approve it: whoever asks the question, in these words or others, gets it."""
        project = project_of(request, slug)
        asked = WrittenAnswer(data=request.data)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        typed = asked.validated_data
        entry_id = write_answer(
            actor_of(request), project, typed["question"], typed["answer"], typed["passages"], request.user
        )
        return Response(self._detail(get_entry(project.id, entry_id)), status=status.HTTP_201_CREATED)
