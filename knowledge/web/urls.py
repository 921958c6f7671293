from django.urls import path

from knowledge.web import views

urlpatterns = [
    path("projects/<slug:slug>/sources/add/", views.add, name="add-source"),
    path("projects/<slug:slug>/sources/<uuid:source_id>/refresh/", views.refresh, name="refresh-source"),
    path("projects/<slug:slug>/sources/<uuid:source_id>/remove/", views.remove, name="remove-source"),
]
