"""Projects over REST."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import actor_of
from accounts.models import ApiKey, Project, User
from accounts.selectors import list_projects
from accounts.services import create_project
from core.errors import NotAllowed
from core.rest import ErrorBody


class ProjectBody(serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["slug", "name", "visibility", "cache_ttl", "created_at"]
        read_only_fields = ["slug", "visibility", "cache_ttl", "created_at"]


class ProjectsViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Project]):
    """The projects that you, or your key, may read."""

    serializer_class = ProjectBody
    queryset = Project.objects.none()  # for the schema
    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[Project]:
        return list_projects(actor_of(self.request))

    @extend_schema(request=ProjectBody, responses={201: ProjectBody, "4XX": ErrorBody})
    def create(self, request: Request) -> Response:
        """Make a project of your own. Not with an API key, which is for one project."""
        if isinstance(request.auth, ApiKey):
            raise NotAllowed(_("An API key is for one project. Log in to make another."))
        asked = ProjectBody(data=request.data)
        asked.is_valid(raise_exception=True)
        assert isinstance(request.user, User)
        project = create_project(name=asked.validated_data["name"], owner=request.user)
        return Response(ProjectBody(project).data, status=status.HTTP_201_CREATED)
