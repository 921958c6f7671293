"""Search over REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.selectors import get_project
from caching.canonical import canonical_text
from caching.embeddings import embed_question
from core.errors import InvalidInput
from core.rest import ErrorBody, Strict
from knowledge.describing import check_metadata
from knowledge.retrieval import TOP, search
from knowledge.spaces import get_serving_embedder
from knowledge.types import Filters, Passage

MAX_QUERY = 8_000  # characters
# Whoever computes a list, of the documents that somebody may see say, must not get everything when it is empty.
NOT_EMPTY: dict[str, Any] = {  # Any: of two types of fields
    "required": False,
    "allow_empty": False,
    "error_messages": {"empty": "An empty filter lets nothing through. Leave it out to search everything."},
}


class FiltersRequest(Strict):
    documents = serializers.ListField(child=serializers.UUIDField(), max_length=1000, **NOT_EMPTY)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=50),
        max_length=50,
        help_text="Documents with all of these.",
        **NOT_EMPTY,
    )
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=11), max_length=50, help_text="Name endings: pdf, docx …", **NOT_EMPTY
    )
    since = serializers.DateTimeField(required=False, help_text="Uploaded at this time or after it.")
    until = serializers.DateTimeField(required=False, help_text="Uploaded at this time or before it.")
    metadata = serializers.DictField(help_text="Key and value pairs, all of which a document has.", **NOT_EMPTY)

    def validate_metadata(self, value: dict[str, object]) -> dict[str, object]:
        check_metadata(value)  # what no document can have is a mistake, not a filter
        return value

    @staticmethod
    def filters(values: Mapping[str, Any]) -> Filters:  # Any: of the fields above
        """Validated values as a search takes them."""
        return Filters(
            documents=tuple(values.get("documents", ())),
            tags=tuple(values.get("tags", ())),
            kinds=tuple(kind.lower().lstrip(".") for kind in values.get("kinds", ())),
            since=values.get("since"),
            until=values.get("until"),
            metadata=values.get("metadata", {}),
        )


class SearchRequest(Strict):
    query = serializers.CharField(max_length=MAX_QUERY)
    limit = serializers.IntegerField(min_value=1, max_value=50, default=TOP)
    filters = FiltersRequest(required=False)


class PassageBody(serializers.Serializer[Passage]):
    chunk_id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    document = serializers.CharField()
    locator = serializers.CharField()
    text = serializers.CharField()
    similarity = serializers.FloatField(help_text="The cosine to the query. Words count for the order too.")
    chunk_ids = serializers.ListField(child=serializers.UUIDField(), help_text="All that the text was joined from.")


class SearchView(APIView):
    @extend_schema(request=SearchRequest, responses={200: PassageBody(many=True), "4XX": ErrorBody, "5XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """The passages of a project that answer a query best, by meaning and by words, best first."""
        actor = actor_of(request)
        project = get_project(actor, slug)
        asked = SearchRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        text = canonical_text(asked.validated_data["query"])
        if not text:
            raise InvalidInput("Type something to search for.")
        embedder = get_serving_embedder()
        vector = async_to_sync(embed_question)(embedder, text)
        wanted = asked.validated_data
        filters = FiltersRequest.filters(wanted.get("filters", {}))
        passages = search(actor, project.id, embedder, text, vector, limit=wanted["limit"], filters=filters)
        return Response(PassageBody(passages, many=True).data)  # type: ignore[arg-type]  # a list, for many=True
