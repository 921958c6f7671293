"""The cache page over REST. Everything here is for editors and owners, as the page is."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.selectors import get_project
from accounts.services import change_caching
from caching import approval, bodies, eviction
from caching.calculator import calculate, plan_of
from caching.entries import get_entry
from caching.models import CacheEntry
from caching.report import DAYS, MAX_DAYS, report
from caching.selectors import list_matched_questions, search_entries
from caching.whatif import compare, trial_of
from core.errors import InvalidInput
from core.rest import ErrorBody
from providers.prices import find_price
from providers.registry import get_embedder


def project_of(request: Request, slug: str) -> Project:
    """The project, for those who answer for it. Raises NotFound, NotAllowed."""
    return get_project(actor_of(request), slug, Role.EDITOR)


class CacheReportView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("days", int, description=f"1 to {MAX_DAYS}, {DAYS} by default.")],
        responses={200: bodies.CacheReportBody, "4XX": ErrorBody},
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the caches did in the last days, and their settings."""
        project = project_of(request, slug)
        days = request.query_params.get("days", str(DAYS))
        if not (days.isascii() and days.isdecimal() and len(days) < 5 and 1 <= int(days) <= MAX_DAYS):
            raise InvalidInput(_("days: Give a number from 1 to %(max_days)s.") % {"max_days": MAX_DAYS})
        found = {"settings": project, "report": report(project.id, int(days))}
        return Response(bodies.CacheReportBody(found).data)  # type: ignore[arg-type]  # a body of nobody's model

    @extend_schema(request=bodies.CachingBody, responses={200: bodies.CachingBody, "4XX": ErrorBody})
    def patch(self, request: Request, slug: str) -> Response:
        """Change settings; those that are left out stay."""
        project = project_of(request, slug)
        asked = bodies.CachingBody(project, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        change_caching(project, asked.validated_data)
        return Response(bodies.CachingBody(project).data)


class CachedAnswersViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[CacheEntry]):
    """A project's cached answers. Follow-ups are among them, under the last question's words."""

    serializer_class = bodies.EntryBody
    queryset = CacheEntry.objects.none()  # for the schema
    lookup_field = "id"
    lookup_value_regex = "[0-9a-fA-F-]{36}"

    def get_queryset(self) -> QuerySet[CacheEntry]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        asked = bodies.EntriesQuery(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        project = project_of(self.request, self.kwargs["slug"])
        return search_entries(project.id, wanted["q"], wanted["state"], wanted["order"]).select_related("approved_by")

    @extend_schema(parameters=[bodies.EntriesQuery])
    def list(self, request: Request, *args: str, **kwargs: str) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(responses={200: bodies.EntryDetailBody, "4XX": ErrorBody})
    def retrieve(self, request: Request, slug: str, id: str) -> Response:
        """One answer with its evidence, and the questions that it answered."""
        return Response(self._detail(self._entry(slug, id)))

    @extend_schema(responses={204: None, "4XX": ErrorBody})
    def destroy(self, request: Request, slug: str, id: str) -> Response:
        """Take an answer out of every cache."""
        eviction.evict(self._entry(slug, id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses={200: bodies.EntryDetailBody, "4XX": ErrorBody})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, slug: str, id: str) -> Response:
        """Let an answer outlive its time, as long as its evidence holds."""
        assert isinstance(request.user, User)
        entry = self._entry(slug, id)
        approval.approve(entry, request.user)
        return Response(self._detail(entry))

    @extend_schema(request=None, responses={204: None, "4XX": ErrorBody})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, slug: str, id: str) -> Response:
        """End an approval: from now on the answer lives as long as any other."""
        approval.withdraw(self._entry(slug, id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _entry(self, slug: str, id: str) -> CacheEntry:
        try:
            return get_entry(project_of(self.request, slug).id, UUID(id))
        except ValueError as error:
            raise InvalidInput(_("This is no id of a cached answer.")) from error

    def _detail(self, entry: CacheEntry) -> dict[str, object]:
        matched = list_matched_questions(entry)
        entry.matched, entry.hits = matched, sum(row.count for row in matched)  # type: ignore[attr-defined]  # for the body
        return dict(bodies.EntryDetailBody(entry).data)


class FlushView(APIView):
    @extend_schema(request=None, responses={200: bodies.FlushBody, "4XX": ErrorBody})
    def post(self, request: Request, slug: str) -> Response:
        """Take all answers out of the caches; approved ones stay."""
        return Response({"evicted": eviction.flush(project_of(request, slug))})


class WhatIfView(APIView):
    @extend_schema(
        parameters=[bodies.TrialQuery], responses={200: bodies.ComparisonBody, "4XX": ErrorBody, "5XX": ErrorBody}
    )
    def get(self, request: Request, slug: str) -> Response:
        """Replay the last 30 days under other settings. Nothing is changed."""
        project = project_of(request, slug)
        asked = bodies.TrialQuery(data=request.query_params.dict())  # a form's missing check box would be a no
        asked.is_valid(raise_exception=True)
        trial = replace(trial_of(project), **asked.validated_data)
        comparison = compare(project, trial, get_embedder())
        return Response(bodies.ComparisonBody(comparison).data)  # type: ignore[arg-type]  # as above


class CalculatorView(APIView):
    @extend_schema(parameters=[bodies.PlanQuery], responses={200: bodies.BillBody, "4XX": ErrorBody})
    def get(self, request: Request, slug: str) -> Response:
        """What a month of a planned load costs, with the caches and without."""
        project = project_of(request, slug)
        asked = bodies.PlanQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        plan = plan_of(report(project.id), find_price(settings.CHAT_MODEL))
        return Response(bodies.BillBody(calculate(replace(plan, **asked.validated_data))).data)  # type: ignore[arg-type]  # as above
