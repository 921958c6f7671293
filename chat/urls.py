from django.urls import path

from chat import (
    cache_views,
    composer_views,
    conversation_views,
    feedback_views,
    sharing_views,
    usage_views,
    views,
)

urlpatterns = [
    path("projects/<slug:slug>/cache/entries/write/", cache_views.write, name="cache-write"),
    path("projects/<slug:slug>/feedback/", feedback_views.feedback, name="feedback"),
    path("projects/<slug:slug>/feedback/<uuid:message_id>/review/", feedback_views.review, name="review-feedback"),
    path("projects/<slug:slug>/feedback/<uuid:message_id>/evict/", feedback_views.evict, name="evict-judged"),
    path("projects/<slug:slug>/usage/", usage_views.usage, name="usage"),
    path("usage/", usage_views.all_usage, name="all-usage"),
    path("", views.home, name="home"),
    path("ask/", views.ask, name="ask"),
    path("chat/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("projects/<slug:slug>/reading/", composer_views.reading, name="reading"),
    path("chat/<uuid:conversation_id>/files/", composer_views.files, name="files"),
    path("chat/<uuid:conversation_id>/files/<uuid:document_id>/remove/", composer_views.remove, name="remove-file"),
    path("chat/<uuid:conversation_id>/files/<uuid:document_id>/retry/", composer_views.retry, name="retry-file"),
    path("model/", composer_views.model, name="model"),
    path("conversations/", conversation_views.conversations, name="conversations"),
    path("palette/", conversation_views.palette, name="palette"),
    path("chat/<uuid:conversation_id>/options/", conversation_views.options, name="conversation-options"),
    path("chat/<uuid:conversation_id>/edit/", conversation_views.edit, name="edit-conversation"),
    path("chat/<uuid:conversation_id>/delete/", conversation_views.delete, name="delete-conversation"),
    path("chat/<uuid:conversation_id>/restore/", conversation_views.restore, name="restore-conversation"),
    path("chat/<uuid:conversation_id>/title/", conversation_views.title, name="conversation-title"),
    path("chat/<uuid:conversation_id>/export.md", conversation_views.export, {"kind": "md"}, name="export-markdown"),
    path("chat/<uuid:conversation_id>/export.json", conversation_views.export, {"kind": "json"}, name="export-json"),
    path("chat/<uuid:conversation_id>/share/", sharing_views.share, name="share-conversation"),
    path("shared/<str:token>/", sharing_views.shared, name="shared"),
    path("chat/<uuid:conversation_id>/messages/<uuid:message_id>/wrong/", views.report_wrong, name="report-wrong"),
    path(
        "chat/<uuid:conversation_id>/messages/<uuid:message_id>/feedback/", feedback_views.give, name="feedback-message"
    ),
    path("chat/<uuid:conversation_id>/messages/<uuid:message_id>/", views.message, name="message"),
    path("chat/<uuid:conversation_id>/messages/<uuid:message_id>/markdown/", views.markdown, name="message-markdown"),
    path("chat/<uuid:conversation_id>/messages/<uuid:message_id>/delete/", views.delete_message, name="delete-message"),
]
