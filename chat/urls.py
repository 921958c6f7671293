from django.urls import path

from chat import views

urlpatterns = [
    path("", views.home, name="home"),
    path("ask/", views.ask, name="ask"),
    path("chat/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("chat/<uuid:conversation_id>/delete/", views.delete, name="delete-conversation"),
    path("chat/<uuid:conversation_id>/messages/<uuid:message_id>/", views.message, name="message"),
]
