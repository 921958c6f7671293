"""Every address, in one place."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from accounts.api import ProjectsViewSet
from caching import api as caching
from chat.api import AskView
from chat.cache_api import CacheEntriesViewSet
from chat.consumers import ConversationConsumer
from chat.conversation_api import ConversationSearchView, ConversationsView, ConversationView
from knowledge import policy_api as chunking
from knowledge.api import DocumentsViewSet
from knowledge.consumers import DocumentsConsumer
from knowledge.search_api import SearchView
from knowledge.web.api import SourcesViewSet
from polyai import health, i18n

router = SimpleRouter()
router.register("projects", ProjectsViewSet)
router.register("projects/(?P<slug>[-a-zA-Z0-9_]+)/documents", DocumentsViewSet)
router.register("projects/(?P<slug>[-a-zA-Z0-9_]+)/sources", SourcesViewSet)
router.register("projects/(?P<slug>[-a-zA-Z0-9_]+)/cache/entries", CacheEntriesViewSet)

api: list[URLPattern | URLResolver] = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("ask/", AskView.as_view(), name="api-ask"),
    path("conversations/", ConversationsView.as_view(), name="api-conversations"),
    path("conversations/search/", ConversationSearchView.as_view(), name="api-conversation-search"),
    path("conversations/<uuid:conversation_id>/", ConversationView.as_view(), name="api-conversation"),
    path("projects/<slug:slug>/search/", SearchView.as_view(), name="api-search"),
    path("projects/<slug:slug>/chunking/", chunking.ChunkingView.as_view(), name="api-chunking"),
    path("projects/<slug:slug>/chunking/preview/", chunking.ChunkingPreviewView.as_view(), name="api-chunking-preview"),
    path("projects/<slug:slug>/chunking/apply/", chunking.ChunkingApplyView.as_view(), name="api-chunking-apply"),
    path("projects/<slug:slug>/cache/", caching.CacheReportView.as_view(), name="api-cache"),
    path("projects/<slug:slug>/cache/flush/", caching.FlushView.as_view(), name="api-cache-flush"),
    path("projects/<slug:slug>/cache/what-if/", caching.WhatIfView.as_view(), name="api-cache-what-if"),
    path("projects/<slug:slug>/cache/calculator/", caching.CalculatorView.as_view(), name="api-cache-calculator"),
    path("", include(router.urls)),
]

urlpatterns = [
    path("", include("chat.urls")),
    path("", include("accounts.urls")),
    path("", include("knowledge.urls")),
    path("", include("knowledge.web.urls")),
    path("", include("caching.urls")),
    path("admin/", admin.site.urls),
    path("api/", include(api)),
    path("jsi18n/", i18n.script, name="script-catalog"),
    path("health/live", health.live),
    path("health/ready", health.ready),
]

handler400 = "polyai.middleware.bad_request"

websocket_urlpatterns = [
    path("ws/conversations/<uuid:conversation_id>/", ConversationConsumer.as_asgi()),
    path("ws/projects/<slug:slug>/documents/", DocumentsConsumer.as_asgi()),
]
