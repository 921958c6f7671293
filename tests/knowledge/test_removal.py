"""knowledge/removal.py: the end of a deleted project."""

from __future__ import annotations

from accounts.models import Project
from accounts.services import delete_project
from chat.models import Conversation
from knowledge.models import Document
from knowledge.removal import empty_deleted_projects
from tests.conftest import Cast, add_document


def test_what_a_deleted_project_holds_is_taken_away_with_it(cast: Cast) -> None:
    document = add_document(cast.project)
    Conversation.objects.create(project=cast.project, user=cast.alice, title="Q")
    storage, name = document.original.storage, document.original.name
    assert storage.exists(str(name))
    delete_project(cast.project)
    assert empty_deleted_projects() == 1
    assert not Project.objects.filter(id=cast.project.id).exists()
    assert not Document.objects.exists()
    assert not Conversation.objects.exists()
    assert not storage.exists(str(name))


def test_projects_that_nobody_deleted_stay(cast: Cast) -> None:
    add_document(cast.project)
    assert empty_deleted_projects() == 0
    assert Document.objects.count() == 1
    assert Project.objects.count() == 2
