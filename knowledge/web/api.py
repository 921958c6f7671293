"""Web sources over REST."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import actor_of
from accounts.models import Role, User
from accounts.selectors import get_project
from core.rest import ErrorBody
from knowledge.models import WebPage, WebSource
from knowledge.web import services
from knowledge.web.selectors import get_source, list_pages, list_sources


class WebSourceBody(serializers.ModelSerializer[WebSource]):
    pages_found = serializers.IntegerField(help_text="Taken, failed, waiting and skipped together.")
    pages_taken = serializers.IntegerField()
    pages_failed = serializers.IntegerField()
    pages_waiting = serializers.IntegerField()
    pages_skipped = serializers.IntegerField(help_text="Forbidden, elsewhere and unreadable together.")
    pages_forbidden = serializers.IntegerField(help_text="Skipped: robots.txt or the page itself asks for it.")
    pages_elsewhere = serializers.IntegerField(help_text="Skipped: they lead to another site.")
    pages_unreadable = serializers.IntegerField(help_text="Skipped: of no kind that is read.")
    pages_duplicate = serializers.IntegerField(help_text="Not among those found: other addresses of the same pages.")
    pages_gone = serializers.IntegerField(help_text="Not among those found: the server has no such page.")

    class Meta:
        model = WebSource
        fields = [
            *("id", "url", "scope", "max_pages", "refresh_hours", "state", "error", "error_code", "notes"),
            *("pages_found", "pages_taken", "pages_failed", "pages_waiting", "pages_skipped"),
            *("pages_forbidden", "pages_elsewhere", "pages_unreadable", "pages_duplicate", "pages_gone"),
            *("last_fetched_at", "due_at", "created_at"),
        ]
        read_only_fields = fields


class WebSourceRequest(serializers.Serializer[None]):
    url = serializers.CharField(max_length=4000)
    scope = serializers.ChoiceField(WebSource.Scope.choices, default=WebSource.Scope.PAGE)
    max_pages = serializers.IntegerField(min_value=1, default=100)
    refresh_hours = serializers.IntegerField(min_value=0, default=0)


class WebPageBody(serializers.ModelSerializer[WebPage]):
    document = serializers.UUIDField(source="document_id", allow_null=True)

    class Meta:
        model = WebPage
        fields = ["url", "state", "document", "error", "error_code", "fetched_at"]
        read_only_fields = fields


class SourcesViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[WebSource]):
    """Web pages, sites and sitemaps that a project's documents come from."""

    serializer_class = WebSourceBody
    parser_classes = [JSONParser]
    queryset = WebSource.objects.none()  # for the schema
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[WebSource]:
        actor = actor_of(self.request)
        return list_sources(actor, get_project(actor, self.kwargs["slug"]).id)

    @extend_schema(request=WebSourceRequest, responses={201: WebSourceBody, "4XX": ErrorBody})
    def create(self, request: Request, slug: str) -> Response:
        """Take an address into the project and fetch it, `scope` saying how much: a page, a site, a sitemap's pages."""
        project = get_project(actor_of(request), slug, Role.EDITOR)
        asked = WebSourceRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        made = services.add_source(project=project, user=request.user, **asked.validated_data)
        source = get_source(actor_of(request), project.id, made.id)
        return Response(WebSourceBody(source).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None, "4XX": ErrorBody})
    def destroy(self, request: Request, slug: str, id: str) -> Response:
        """Remove a source with its documents."""
        get_project(actor_of(request), slug, Role.EDITOR)
        services.remove(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={202: WebSourceBody, "4XX": ErrorBody})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, slug: str, id: str) -> Response:
        """Fetch a source again now: what has changed is replaced, what has gone is deleted."""
        project = get_project(actor_of(request), slug, Role.EDITOR)
        services.refresh(self.get_object())
        source = get_source(actor_of(request), project.id, self.get_object().id)
        return Response(WebSourceBody(source).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={200: WebPageBody(many=True), "4XX": ErrorBody})
    @action(detail=True, methods=["get"])
    def pages(self, request: Request, slug: str, id: str) -> Response:
        """The pages of a source, and what became of each."""
        page = self.paginate_queryset(list_pages(self.get_object()))  # type: ignore[arg-type]  # pages, not sources
        assert page is not None
        return self.get_paginated_response(WebPageBody(page, many=True).data)  # type: ignore[arg-type]  # likewise
