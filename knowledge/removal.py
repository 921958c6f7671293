"""The end of a deleted project: what it holds is taken away in small steps."""

from __future__ import annotations

from accounts.models import Project
from knowledge import services
from knowledge.models import Document
from knowledge.tables import only_one


def empty_deleted_projects() -> int:
    """Take away what projects hold that were deleted (`accounts.services.delete_project`): first their documents, a
    hundred in a transaction, then the rest with the project itself. How many projects there were.

    May be cut off and done again; where another process is at it, this one leaves it to that.
    """
    count = 0
    for project in Project.objects.filter(deleted_at__isnull=False):
        with only_one(f"empty {project.id}") as is_free:
            if is_free:
                services.delete_many(Document.objects.filter(project=project).only("id"))
                project.delete()
                count += 1
    return count
