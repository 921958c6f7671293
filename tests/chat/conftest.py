from __future__ import annotations

import pytest

from accounts.models import Project
from tests.conftest import Cast, add_document


@pytest.fixture
def project(cast: Cast) -> Project:
    """Alice's, with the handbook in it."""
    add_document(cast.project)
    cast.project.refresh_from_db()
    return cast.project
