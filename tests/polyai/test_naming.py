"""The admin's names of models and fields come from catalogs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Field
from django.test import RequestFactory

from accounts.models import User
from polyai import naming


def test_every_name_that_django_made_and_the_admin_shows_is_known_to_the_catalogs(rf: RequestFactory) -> None:
    request = rf.get("/admin/")
    request.user = User(is_superuser=True, is_staff=True)
    made = set()
    for model, shown in admin.site._registry.items():
        if model._meta.app_label not in naming.APPS:
            continue
        for page in (shown, *shown.get_inline_instances(request)):
            meta = page.model._meta
            own = ("verbose_name", "verbose_name_plural")
            made |= {str(getattr(meta, name)) for name in own if name not in meta.original_attrs}
            columns = {*flatten_fieldsets(page.get_fieldsets(request)), *getattr(page, "list_display", ())}
            made |= {
                str(field.verbose_name) for field in meta.fields if field.name in columns and is_named_by_django(field)
            }
    assert made - set(naming.NAMES) == set()


def is_named_by_django(field: Field[Any, Any]) -> bool:  # Any: Python's own types of it
    return field._verbose_name is None  # type: ignore[attr-defined]  # what the model itself says
