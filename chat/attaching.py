"""Files in a conversation: whoever may ask may bring some along, for that conversation and for nobody else."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core.files.base import File
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.selectors import get_project
from accounts.types import Actor
from chat.models import Conversation
from chat.selectors import get_conversation
from core.errors import NotFound
from knowledge import services
from knowledge.models import Document
from knowledge.selectors import list_attached, list_attachment_places

KEPT_UNSENT = timedelta(days=7)  # files of a question that was never asked


def place_of(actor: Actor, conversation_id: UUID, slug: str) -> Project:
    """The project that a conversation is in, or that one under this id would be in. Raises NotFound, also for
    somebody else's."""
    if Conversation.objects.filter(id=conversation_id).exists():
        return get_conversation(actor, conversation_id).project
    return get_project(actor, slug)


def attach(user: User, conversation_id: UUID, slug: str, name: str, file: File[bytes]) -> Document:
    """Accept a file for a conversation, which need not have begun. Raises NotFound and what services.upload raises."""
    project = place_of(Actor(user_id=user.pk), conversation_id, slug)
    uploaded = services.upload(project=project, name=name, file=file, user=user, attached_to=conversation_id)
    return uploaded.document


def get_attached(actor: Actor, conversation_id: UUID, document_id: UUID) -> Document:
    """Raises NotFound, also for what somebody else attached."""
    found = list_attached(actor, conversation_id).filter(id=document_id).first()
    if found is None:
        raise NotFound(_("This file is not attached to the conversation, or is not yours."))
    return found


def forget_unsent() -> int:
    """Delete what was attached a week ago to conversations that do not exist: nobody ever asked, or they were deleted
    with their user. How many documents."""
    places = list_attachment_places(timezone.now() - KEPT_UNSENT)
    begun = set(Conversation.objects.filter(id__in=places).values_list("id", flat=True))
    return sum(services.delete_attached(place) for place in places - begun)
