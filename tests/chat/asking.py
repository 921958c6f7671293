"""The questions that tests of the cache ask, and what they read of it afterwards."""

from __future__ import annotations

from accounts.models import Project, User
from caching import ledger
from caching.models import LedgerCount
from chat.types import AnswerCompleted
from core.database import in_db
from tests.conftest import Cast, complete, make_question

REFUND = "How many days do customers have to return goods?"
AGAIN = "How many days do the customers have to return goods?"
EXPRESS = "What does express shipping to Norway cost?"


async def ask(cast: Cast, text: str = REFUND, *, user: User | None = None, **fields: object) -> AnswerCompleted:
    return await complete(make_question(cast, text, user=user, **fields))


async def status(cast: Cast, text: str = REFUND, *, user: User | None = None, **fields: object) -> str:
    return (await ask(cast, text, user=user, **fields)).cache.status


async def change(project: Project, **fields: object) -> None:
    await in_db(Project.objects.filter(id=project.id).update)(**fields)


async def counted(project: Project) -> dict[str, int]:
    """The ledger's figures of a project."""

    def read() -> dict[str, int]:
        ledger.flush()
        return dict(LedgerCount.objects.filter(project=project).values_list("name", "value"))

    return await in_db(read)()
