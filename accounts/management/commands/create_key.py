"""manage.py create_key --project SLUG --user EMAIL"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.selectors import get_project
from accounts.services import create_api_key
from accounts.types import Actor
from core.errors import PolyAIError


class Command(BaseCommand):
    help = "Makes an API key for one project and prints it, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--user", required=True, metavar="EMAIL", help="in whose name the key acts")
        parser.add_argument("--name", default="", help="to tell keys apart")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        user = User.objects.filter(email__iexact=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no account '{options['user']}'.")
        try:
            project = get_project(Actor(user_id=user.id), options["project"])
            key = create_api_key(user=user, project=project, name=options["name"])
        except PolyAIError as error:
            raise CommandError(error.message) from error
        self.stdout.write(key)
