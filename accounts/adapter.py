"""Where allauth meets our rules for who may sign up."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.services import register


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP != "closed" or not User.objects.exists()

    def save_user(
        self, request: HttpRequest, user: User, form: Any, commit: bool = True
    ) -> User:  # Any: allauth's form
        super().save_user(request, user, form, commit=False)
        return register(user)
