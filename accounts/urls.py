"""Our pages, and those of allauth's that work on a server that sends no mail."""

from allauth.account import views as allauth
from django.urls import path

from accounts import invitation_views, member_views, project_views, views

PROJECT = "projects/<slug:slug>/"
MEMBER = f"{PROJECT}members/<uuid:user_id>/"

urlpatterns = [
    path("projects/", views.projects, name="projects"),
    path("accounts/<uuid:user_id>/approve/", views.approve, name="approve-account"),
    path(f"{PROJECT}members/", member_views.members, name="members"),
    path(f"{PROJECT}members/add/", member_views.add_member, name="add-member"),
    path(f"{PROJECT}members/invite/", member_views.invite, name="invite"),
    path(f"{PROJECT}members/invitations/<uuid:invitation_id>/revoke/", member_views.revoke, name="revoke-invitation"),
    path(f"{MEMBER}role/", member_views.change_role, name="change-role"),
    path(f"{MEMBER}remove/", member_views.remove_member, name="remove-member"),
    path(f"{PROJECT}settings/", project_views.settings, name="project-settings"),
    path(f"{PROJECT}settings/hand-over/", project_views.hand_over, name="hand-over"),
    path(f"{PROJECT}settings/delete/", project_views.delete, name="delete-project"),
    path("invitations/<str:token>/", invitation_views.invitation, name="invitation"),
    path("accounts/signup/", allauth.signup, name="account_signup"),
    path("accounts/login/", allauth.login, name="account_login"),
    path("accounts/logout/", allauth.logout, name="account_logout"),
    path("accounts/inactive/", allauth.account_inactive, name="account_inactive"),
    path("accounts/password/change/", allauth.password_change, name="account_change_password"),
    path("accounts/reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
]
