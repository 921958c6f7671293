from django.urls import path

from knowledge import document_views, playground_views, policy_views, source_views, views

ROOM = "projects/<slug:slug>/documents/"
DOCUMENT = f"{ROOM}<uuid:document_id>/"

urlpatterns = [
    path(ROOM, views.documents, name="documents"),
    path(f"{ROOM}upload/", views.upload, name="upload"),
    path(f"{ROOM}settings/", policy_views.settings, name="document-settings"),
    path(f"{ROOM}settings/apply/", policy_views.apply, name="rechunk"),
    path(f"{ROOM}bulk/", views.bulk, name="bulk-documents"),
    path(f"{DOCUMENT}delete/", views.delete, name="delete-document"),
    path(f"{DOCUMENT}retry/", views.retry, name="retry-document"),
    path(f"{DOCUMENT}cancel/", views.cancel, name="cancel-document"),
    path(DOCUMENT, document_views.document, name="document"),
    path(f"{DOCUMENT}describe/", document_views.describe, name="describe-document"),
    path(f"{DOCUMENT}original/", document_views.original, name="original"),
    path(f"{DOCUMENT}pages/<int:number>.png", document_views.page, name="document-page"),
    path("projects/<slug:slug>/pick/", views.pick, name="pick"),
    path("projects/<slug:slug>/sources/", source_views.sources, name="sources"),
    path("projects/<slug:slug>/search/", playground_views.playground, name="playground"),
]
