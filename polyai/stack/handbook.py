"""The project's own docs as a first project, so that the first question has something to answer from."""

from __future__ import annotations

from django.conf import settings
from django.core.files import File

from accounts.models import Project
from accounts.services import create_project
from knowledge import services
from knowledge.models import Document

SLUG, NAME = "polyai-handbook", "PolyAI handbook"


def load() -> int:
    """Bring the handbook up to date; how many of its documents are new or changed.

    It is made on the very first start only: whoever deletes it does not get it back.
    """
    project = Project.objects.filter(slug=SLUG).first()
    if project is None:
        if Project.objects.exists():
            return 0
        project = create_project(name=NAME, slug=SLUG, visibility=Project.Visibility.EVERYONE)
    pages = sorted((settings.BASE_DIR / "docs").glob("*.md"))
    ours = Document.objects.filter(project=project, uploaded_by=None, attached_to=None)
    for gone in ours.exclude(name__in=[page.name for page in pages]):
        services.delete(gone)
    changed = 0
    for page in pages:
        with page.open("rb") as file:
            # Behind whatever the newcomer uploads meanwhile.
            changed += services.upload(project=project, name=page.name, file=File(file), is_bulk=True).is_new
    return changed
