from django.urls import path

from caching import views

ROOM = "projects/<slug:slug>/cache/"

urlpatterns = [
    path(ROOM, views.overview, name="cache"),
    path(f"{ROOM}entries/", views.entries, name="cache-entries"),
    path(f"{ROOM}entries/<uuid:entry_id>/", views.entry, name="cache-entry"),
    path(f"{ROOM}entries/<uuid:entry_id>/evict/", views.evict, name="cache-evict"),
    path(f"{ROOM}entries/<uuid:entry_id>/approve/", views.approve, name="cache-approve"),
    path(f"{ROOM}entries/<uuid:entry_id>/withdraw/", views.withdraw, name="cache-withdraw"),
    path(f"{ROOM}flush/", views.flush, name="cache-flush"),
    path(f"{ROOM}review/", views.review, name="cache-review"),
    path(f"{ROOM}what-if/", views.what_if, name="cache-what-if"),
    path(f"{ROOM}calculator/", views.calculator, name="cache-calculator"),
    path(f"{ROOM}settings/", views.settings, name="cache-settings"),
]
