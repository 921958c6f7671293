"""Search over REST."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from asgiref.sync import async_to_sync
from django.utils.translation import gettext as _
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_project
from caching.canonical import canonical_text
from caching.embeddings import embed_question
from core.errors import InvalidInput, ProviderError
from core.rest import ErrorBody, Strict
from knowledge.describing import check_metadata
from knowledge.playground import Trial, put_to_search
from knowledge.retrieval import TOP, search
from knowledge.spaces import get_serving_embedder
from knowledge.types import Candidate, ChunkReport, Filters, Passage

log = logging.getLogger(__name__)
SIDES = "X-PolyAI-Search"  # of a response: what its passages were found by
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
    explain = serializers.BooleanField(default=False, help_text="Lay the search open; for editors and owners.")
    wanted = serializers.CharField(
        max_length=500,
        required=False,
        help_text="With `explain`: a chunk's id, words of it, or a document's name. Why is it not found?",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:  # Any: of the fields above
        if "wanted" in attrs and not attrs["explain"]:
            raise serializers.ValidationError({"wanted": [_('It is answered with "explain": true only.')]})
        return attrs


class PassageBody(serializers.Serializer[Passage]):
    chunk_id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    document = serializers.CharField()
    locator = serializers.CharField()
    text = serializers.CharField()
    similarity = serializers.FloatField(help_text="The cosine to the query. Words count for the order too.")
    chunk_ids = serializers.ListField(child=serializers.UUIDField(), help_text="All that the text was joined from.")


class CandidateBody(serializers.Serializer[Candidate]):
    """Ranks count from 1, null where that side did not have the chunk among its best."""

    passage = PassageBody()
    dense_rank = serializers.IntegerField(allow_null=True, help_text="By meaning.")
    lexical_rank = serializers.IntegerField(allow_null=True, help_text="By words.")
    lexical = serializers.FloatField(allow_null=True, help_text="The BM25 score.")
    fused = serializers.FloatField(help_text="The score of both sides together.")
    codes = serializers.IntegerField(help_text="Identifiers of the question that it has.")
    reranked = serializers.FloatField(allow_null=True)
    dropped = serializers.CharField(help_text="Why it is no passage of its own; empty when it is.")


class ChunkReportBody(serializers.Serializer[ChunkReport]):
    """Why a chunk is found or is not; `reasons` is empty when it is."""

    passage = PassageBody()
    is_live = serializers.BooleanField()
    passes_filters = serializers.BooleanField()
    has_vector = serializers.BooleanField()
    has_words = serializers.BooleanField()
    dense_rank = serializers.IntegerField(allow_null=True)
    lexical_rank = serializers.IntegerField(allow_null=True)
    position = serializers.IntegerField(allow_null=True, help_text="Of both sides together.")
    found = serializers.ListField(child=serializers.CharField(), help_text="Words of the question that it has.")
    missing = serializers.ListField(child=serializers.CharField())
    reasons = serializers.ListField(child=serializers.CharField())


class ExplainedBody(serializers.Serializer[Trial]):
    """A search laid open, as the playground shows it. `stages` are milliseconds."""

    passages = PassageBody(many=True, source="explanation.passages")
    candidates = CandidateBody(many=True, source="explanation.candidates")
    terms = serializers.ListField(child=serializers.CharField(), source="explanation.terms")
    stages = serializers.DictField(child=serializers.FloatField())
    report = ChunkReportBody(allow_null=True)
    notice = serializers.CharField(help_text="What did not work; empty when all did.")


FOUND = PolymorphicProxySerializer(
    "Found", [PassageBody(many=True), ExplainedBody], resource_type_field_name=None, many=False
)


class SearchView(APIView):
    @extend_schema(request=SearchRequest, responses={200: FOUND, "4XX": ErrorBody, "5XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """The passages of a project that answer a query best, by meaning and by words, best first.

        `X-PolyAI-Search` says what they were found by: "meaning, words", or "words" while the embedder is down. With
        `explain` an object instead: every candidate with its ranks and scores, and the time of each stage.
        """
        actor = actor_of(request)
        project = get_project(actor, slug)
        asked = SearchRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        text = canonical_text(asked.validated_data["query"])
        if not text:
            raise InvalidInput(_("Type something to search for."))
        wanted = asked.validated_data
        limit, filters = wanted["limit"], FiltersRequest.filters(wanted.get("filters", {}))
        if wanted["explain"]:
            get_project(actor, slug, Role.EDITOR)
            trial = put_to_search(
                actor, project.id, text, limit=limit, filters=filters, wanted=wanted.get("wanted", "")
            )
            return Response(ExplainedBody(trial).data)
        embedder, vector = get_serving_embedder(), None
        try:
            vector = async_to_sync(embed_question)(embedder, text)
        except ProviderError as error:
            log.warning("search by words alone: %s", error.message)
        passages = search(actor, project.id, embedder, text, vector, limit=limit, filters=filters)
        headers = {SIDES: "words" if vector is None else "meaning, words"}
        found = PassageBody(passages, many=True)  # type: ignore[arg-type]  # a list, for many=True
        return Response(found.data, headers=headers)
