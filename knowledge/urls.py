from django.urls import path

from knowledge import views

urlpatterns = [
    path("projects/<slug:slug>/documents/", views.documents, name="documents"),
    path("projects/<slug:slug>/documents/upload/", views.upload, name="upload"),
    path("projects/<slug:slug>/documents/<uuid:document_id>/", views.document, name="document"),
    path("projects/<slug:slug>/documents/<uuid:document_id>/original/", views.original, name="original"),
    path("projects/<slug:slug>/documents/<uuid:document_id>/delete/", views.delete, name="delete-document"),
    path("projects/<slug:slug>/documents/<uuid:document_id>/retry/", views.retry, name="retry-document"),
]
