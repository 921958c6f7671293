"""Documents over REST."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import actor_of
from accounts.models import Role, User
from accounts.selectors import get_project
from core.rest import ErrorBody, ErrorDetail, Strict
from knowledge import archives, services
from knowledge.bulk import ACTIONS, carry_out, change_of
from knowledge.describing import describe
from knowledge.listing import SORTS, STATES, list_matching, listing_of
from knowledge.models import Document
from knowledge.parsers import PARSERS
from knowledge.selectors import get_document, list_documents

MAX_PAGE = 1_000_000  # documents


class DocumentBody(serializers.ModelSerializer[Document]):
    class Meta:
        model = Document
        fields = [
            *("id", "name", "kind", "size", "state", "error", "error_code", "notes", "language", "source_url"),
            *("tags", "metadata", "version", "live_version", "chunks_total", "chunks_embedded"),
            *("created_at", "updated_at"),
        ]
        read_only_fields = fields


class UploadedBody(DocumentBody):
    """`same_as`: the project's other documents with the same bytes."""

    same_as = serializers.ListField(child=serializers.CharField())

    class Meta(DocumentBody.Meta):
        fields = [*DocumentBody.Meta.fields, "same_as"]


class UploadRequest(serializers.Serializer[None]):
    file = serializers.FileField(allow_empty_file=True)


class Description(serializers.Serializer[None]):
    """What is left out stays as it is."""

    tags = serializers.ListField(child=serializers.CharField(max_length=50), max_length=50, required=False)
    metadata = serializers.DictField(required=False, help_text="Keys with text, numbers, true or false; replaces all.")


class BulkRequest(serializers.Serializer[None]):
    action = serializers.ChoiceField(choices=ACTIONS)
    documents = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000)
    tags = serializers.ListField(child=serializers.CharField(max_length=50), max_length=50, default=list)


class BulkBody(serializers.Serializer[None]):
    count = serializers.IntegerField(help_text="Documents that were changed by it.")
    message = serializers.CharField()


def _unknown(values: Iterable[str]) -> str:
    return _("'{input}' is not known; it is one of %(values)s.") % {"values": ", ".join(values)}


def _one_of(values: Iterable[str], help_text: str) -> serializers.ChoiceField:
    return serializers.ChoiceField(
        list(values),
        required=False,
        help_text=help_text,
        error_messages={"invalid_choice": lazy(_unknown, str)(values)},
    )


class ListRequest(Strict):
    """What a list of documents may be asked for."""

    state = _one_of(STATES, "`unfinished`: queued, parsing or embedding.")
    kind = _one_of([ending.lstrip(".") for ending in PARSERS], "The name's ending: pdf, docx, md …")
    tag = serializers.CharField(max_length=50, required=False, help_text="Documents that have it.")
    search = serializers.CharField(max_length=200, required=False, help_text="Text in the name, a tag or the error.")
    ordering = _one_of(SORTS, "`newest` where it is not given.")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, required=False, help_text="Documents of a page.")
    offset = serializers.IntegerField(min_value=0, required=False, help_text="Documents before the page.")


class RefusedBody(serializers.Serializer[archives.Refused]):
    name = serializers.CharField()
    error = ErrorDetail()


class ArchiveBody(serializers.Serializer[archives.Unpacked]):
    """What became of the files of an archive."""

    documents = DocumentBody(many=True)
    refused = RefusedBody(many=True)


UPLOADED = PolymorphicProxySerializer("Uploaded", [UploadedBody, ArchiveBody], resource_type_field_name=None)


class DocumentsViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Document]):
    """A project's documents. Uploading the same name again replaces its content."""

    serializer_class = DocumentBody
    parser_classes = [MultiPartParser, FormParser]
    queryset = Document.objects.none()  # for the schema
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Document]:
        actor = actor_of(self.request)
        project = get_project(actor, self.kwargs["slug"])
        if self.action != "list":
            return list_documents(actor, project.id)
        asked = {name: value for name, value in self.request.query_params.dict().items() if value}
        if "kind" in asked:
            asked["kind"] = asked["kind"].lower().lstrip(".")
        ListRequest(data=asked).is_valid(raise_exception=True)
        renamed = {**asked, "q": asked.get("search", ""), "sort": asked.get("ordering", "")}
        return list_matching(actor, project.id, listing_of(renamed))

    def get_parsers(self) -> list[BaseParser]:
        """Files come as a form, what is said of a document as JSON."""
        return [JSONParser()] if self.request and self.request.method == "PATCH" else super().get_parsers()

    @extend_schema(parameters=[ListRequest])
    def list(self, request: Request, *args: object, **kwargs: object) -> Response:
        """Documents, newest first, filtered and ordered as the page does it."""
        return super().list(request, *args, **kwargs)

    @extend_schema(
        request={"multipart/form-data": UploadRequest},
        responses={201: UPLOADED, 200: UPLOADED, "4XX": ErrorBody},
    )
    def create(self, request: Request, slug: str) -> Response:
        """Upload one file. 201 when it was queued, 200 when the same file is here already.

        Of a ZIP archive every file becomes a document of its own; those that cannot be read are in `refused`.
        """
        project = get_project(actor_of(request), slug, Role.EDITOR)
        asked = UploadRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        assert isinstance(request.user, User)
        if archives.is_archive(file.name):
            unpacked = archives.upload_archive(project=project, name=file.name, file=file, user=request.user)
            code = status.HTTP_201_CREATED if unpacked.new else status.HTTP_200_OK
            return Response(ArchiveBody(unpacked).data, status=code)
        uploaded = services.upload(project=project, name=file.name, file=file, user=request.user)
        code = status.HTTP_201_CREATED if uploaded.is_new else status.HTTP_200_OK
        return Response({**DocumentBody(uploaded.document).data, "same_as": uploaded.same_as}, status=code)

    @extend_schema(request=Description, responses={200: DocumentBody, "4XX": ErrorBody})
    def partial_update(self, request: Request, slug: str, id: str) -> Response:
        """Change a document's tags or metadata, to find and filter it by."""
        document = self._editable()
        asked = Description(data=request.data)
        asked.is_valid(raise_exception=True)
        describe(document, **asked.validated_data)
        return self._body(document)

    @extend_schema(responses={204: None, "4XX": ErrorBody})
    def destroy(self, request: Request, slug: str, id: str) -> Response:
        """Delete a document: from now on no search and no cached answer shows it."""
        services.delete(self._editable())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: DocumentBody, "4XX": ErrorBody})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, slug: str, id: str) -> Response:
        """Queue a document again; what was done already stays done."""
        document = self._editable()
        services.retry(document)
        return self._body(document)

    @extend_schema(request=None, responses={200: DocumentBody, "4XX": ErrorBody})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, slug: str, id: str) -> Response:
        """Stop the work on a document that is not finished; a finished one stays as it is."""
        document = self._editable()
        services.cancel(document)
        return self._body(document)

    @extend_schema(request=BulkRequest, responses={200: BulkBody, "4XX": ErrorBody})
    @action(detail=False, methods=["post"], parser_classes=[JSONParser])
    def bulk(self, request: Request, slug: str) -> Response:
        """Retry, cancel, delete or tag up to 1,000 documents of a project at once."""
        actor = actor_of(request)
        project = get_project(actor, slug, Role.EDITOR)
        asked = BulkRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        change = change_of(asked.validated_data["action"], asked.validated_data["tags"])
        chosen = list_documents(actor, project.id).filter(id__in=asked.validated_data["documents"])
        done = carry_out(change, list(chosen))
        return Response({"count": done.count, "message": done.message})

    def _editable(self) -> Document:
        """The document of this address. Raises NotFound, NotAllowed."""
        actor = actor_of(self.request)
        project = get_project(actor, self.kwargs["slug"], Role.EDITOR)
        document = get_document(actor, self.get_object().id)
        assert document.project_id == project.id
        return document

    def _body(self, document: Document) -> Response:
        document.refresh_from_db()
        return Response(DocumentBody(document).data)
