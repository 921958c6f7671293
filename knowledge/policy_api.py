"""How a project's documents are cut, over REST. For editors and owners, as the settings page is."""

from __future__ import annotations

from django.forms import model_to_dict
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.models import Project, Role
from accounts.selectors import get_project
from core.errors import NotFound
from core.rest import ErrorBody
from knowledge.models import KnowledgePolicy
from knowledge.policies import FIRST, change_policy, get_policy, preview
from knowledge.rechunking import estimate, rechunk
from knowledge.selectors import get_document
from knowledge.types import ChunkingPreview, Cutting, Piece, RechunkEstimate

FIELDS = ["chunk_tokens", "chunk_overlap", "max_documents", "max_megabytes"]
MOST_SHOWN = 50  # pieces


class EstimateBody(serializers.Serializer[RechunkEstimate]):
    documents = serializers.IntegerField(help_text="Cut otherwise than the settings say.")
    chunks = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="To be embedded, about.")
    dollars = serializers.FloatField(allow_null=True)


class PolicyBody(serializers.ModelSerializer[KnowledgePolicy]):
    estimate = serializers.SerializerMethodField()

    class Meta:
        model = KnowledgePolicy
        fields = [*FIELDS, "estimate"]

    @extend_schema_field(EstimateBody)
    def get_estimate(self, policy: KnowledgePolicy) -> dict[str, object]:
        return dict(EstimateBody(estimate(policy.project)).data)


class PolicyRequest(serializers.Serializer[None]):
    """Each field may be left out; policies.problems says which values are taken."""

    chunk_tokens = serializers.IntegerField(required=False)
    chunk_overlap = serializers.IntegerField(required=False)
    max_documents = serializers.IntegerField(required=False)
    max_megabytes = serializers.IntegerField(required=False)


class PreviewRequest(serializers.Serializer[None]):
    document = serializers.UUIDField()
    chunk_tokens = serializers.IntegerField()
    chunk_overlap = serializers.IntegerField()
    first = serializers.IntegerField(min_value=1, max_value=MOST_SHOWN, default=FIRST)


class PieceBody(serializers.Serializer[Piece]):
    text = serializers.CharField()
    context = serializers.CharField(  # type: ignore[assignment]  # a serializer has an attribute of that name, a field may too
        help_text="What is embedded and shown above the text: a table's header rows."
    )
    tokens = serializers.IntegerField()
    heading_path = serializers.ListField(child=serializers.CharField())
    part = serializers.IntegerField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()


class CuttingBody(serializers.Serializer[Cutting]):
    chunks = serializers.IntegerField()
    median = serializers.IntegerField()
    tokens = serializers.ListField(child=serializers.IntegerField())
    first = PieceBody(many=True)


class PreviewBody(serializers.Serializer[ChunkingPreview]):
    now = CuttingBody()
    then = CuttingBody()
    unchanged = serializers.IntegerField()


class QueuedBody(serializers.Serializer[None]):
    documents = serializers.IntegerField()


def project_of(request: Request, slug: str) -> Project:
    return get_project(actor_of(request), slug, Role.EDITOR)


class ChunkingView(APIView):
    @extend_schema(responses={200: PolicyBody, "4XX": ErrorBody})
    def get(self, request: Request, slug: str) -> Response:
        """How documents are cut, and what it would take to cut those anew that are cut otherwise."""
        return Response(PolicyBody(get_policy(project_of(request, slug))).data)

    @extend_schema(request=PolicyRequest, responses={200: PolicyBody, "4XX": ErrorBody})
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings; those that are left out stay. Documents stay as they are cut until `apply`."""
        project = project_of(request, slug)
        asked = PolicyRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        stored = model_to_dict(get_policy(project), fields=FIELDS)
        return Response(PolicyBody(change_policy(project, **{**stored, **asked.validated_data})).data)


class ChunkingPreviewView(APIView):
    @extend_schema(request=PreviewRequest, responses={200: PreviewBody, "4XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """How one document is cut now, and how it would be."""
        project = project_of(request, slug)
        asked = PreviewRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        document = get_document(actor_of(request), wanted["document"])
        if document.project_id != project.id:
            raise NotFound(_("There is no such document in this project."))
        found = preview(document, wanted["chunk_tokens"], wanted["chunk_overlap"], wanted["first"])
        return Response(PreviewBody(found).data)


class ChunkingApplyView(APIView):
    @extend_schema(request=None, responses={202: QueuedBody, "4XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """Cut all documents anew that are cut otherwise than the settings say; today's chunks serve until then."""
        count = rechunk(project_of(request, slug))
        return Response(QueuedBody({"documents": count}).data, status=status.HTTP_202_ACCEPTED)  # type: ignore[arg-type]  # a body of nobody's model
