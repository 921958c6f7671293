#!/usr/bin/env python
"""Django's command line, with PolyAI's settings."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyai.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("manage.py: Django is not installed here; run it as .venv/bin/python manage.py, after make setup")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
