"""Our pages, and those of allauth's that work on a server that sends no mail."""

from allauth.account import views as allauth
from django.urls import path

from accounts import views

urlpatterns = [
    path("projects/", views.projects, name="projects"),
    path("accounts/signup/", allauth.signup, name="account_signup"),
    path("accounts/login/", allauth.login, name="account_login"),
    path("accounts/logout/", allauth.logout, name="account_logout"),
    path("accounts/inactive/", allauth.account_inactive, name="account_inactive"),
    path("accounts/password/change/", allauth.password_change, name="account_change_password"),
    path("accounts/reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
]
