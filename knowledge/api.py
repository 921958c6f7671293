"""Documents and search over REST."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.models import Role, User
from accounts.selectors import get_project
from caching.canonical import canonical_text
from caching.embeddings import embed_question
from core.errors import InvalidInput
from core.rest import ErrorBody
from knowledge import services
from knowledge.models import Document
from knowledge.retrieval import TOP, search
from knowledge.selectors import get_document, list_documents
from knowledge.types import Passage
from providers.registry import get_embedder

MAX_QUERY = 8_000  # characters


class DocumentBody(serializers.ModelSerializer[Document]):
    class Meta:
        model = Document
        fields = ["id", "name", "size", "state", "error", "chunks_total", "chunks_embedded", "created_at", "updated_at"]
        read_only_fields = fields


class UploadedBody(DocumentBody):
    """`same_as`: the project's other documents with the same bytes."""

    same_as = serializers.ListField(child=serializers.CharField())

    class Meta(DocumentBody.Meta):
        fields = [*DocumentBody.Meta.fields, "same_as"]


class UploadRequest(serializers.Serializer[None]):
    file = serializers.FileField(allow_empty_file=True)


class DocumentsViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Document]):
    """A project's documents. Uploading the same name again replaces its content."""

    serializer_class = DocumentBody
    parser_classes = [MultiPartParser, FormParser]
    queryset = Document.objects.none()  # for the schema
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Document]:
        actor = actor_of(self.request)
        return list_documents(actor, get_project(actor, self.kwargs["slug"]).id)

    @extend_schema(
        request={"multipart/form-data": UploadRequest},
        responses={201: UploadedBody, 200: UploadedBody, "4XX": ErrorBody},
    )
    def create(self, request: Request, slug: str) -> Response:
        """Upload one file. 201 when it was queued, 200 when the same file is here already."""
        project = get_project(actor_of(request), slug, Role.EDITOR)
        asked = UploadRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        assert isinstance(request.user, User)
        uploaded = services.upload(project=project, name=file.name, file=file, user=request.user)
        code = status.HTTP_201_CREATED if uploaded.is_new else status.HTTP_200_OK
        return Response({**DocumentBody(uploaded.document).data, "same_as": uploaded.same_as}, status=code)

    @extend_schema(responses={204: None, "4XX": ErrorBody})
    def destroy(self, request: Request, slug: str, id: str) -> Response:
        """Delete a document: from now on no search and no cached answer shows it."""
        project = get_project(actor_of(request), slug, Role.EDITOR)
        document = get_document(actor_of(request), self.get_object().id)
        assert document.project_id == project.id
        services.delete(document)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SearchRequest(serializers.Serializer[None]):
    query = serializers.CharField(max_length=MAX_QUERY)
    limit = serializers.IntegerField(min_value=1, max_value=50, default=TOP)


class PassageBody(serializers.Serializer[Passage]):
    chunk_id = serializers.UUIDField()
    document_id = serializers.UUIDField()
    document = serializers.CharField()
    locator = serializers.CharField()
    text = serializers.CharField()
    similarity = serializers.FloatField()


class SearchView(APIView):
    @extend_schema(request=SearchRequest, responses={200: PassageBody(many=True), "4XX": ErrorBody, "5XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """The passages of a project nearest to a query, best first."""
        actor = actor_of(request)
        project = get_project(actor, slug)
        asked = SearchRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        text = canonical_text(asked.validated_data["query"])
        if not text:
            raise InvalidInput("Type something to search for.")
        embedder = get_embedder()
        vector = async_to_sync(embed_question)(embedder, text)
        passages = search(actor, project.id, embedder, text, vector, limit=asked.validated_data["limit"])
        return Response(PassageBody(passages, many=True).data)  # type: ignore[arg-type]  # a list, for many=True
