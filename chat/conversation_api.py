"""One's conversations over REST: the list, one with its messages, filing it, and search."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import actor_of
from chat import filing, mirror
from chat.catalogue import Filter, list_page
from chat.export import message_body, summary
from chat.search import MAX_QUERY, MOST, Hit, search_conversations
from chat.selectors import get_conversation, list_messages
from core.rest import ErrorBody, Strict


class ConversationBody(serializers.Serializer[None]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    project = serializers.SlugField(help_text="The project's slug.")
    origin = serializers.ChoiceField(["web", "api", "terminal"], help_text="Where it was begun.")
    tags = serializers.ListField(child=serializers.CharField())
    pinned = serializers.BooleanField()
    archived = serializers.BooleanField()
    tip = serializers.UUIDField(allow_null=True, help_text="The last message of the branch that is shown.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class StoredSourceBody(serializers.Serializer[None]):
    n = serializers.IntegerField(help_text="As `[n]` in the answer cites it.")
    document = serializers.CharField()
    document_id = serializers.UUIDField()
    locator = serializers.CharField()
    text = serializers.CharField()
    similarity = serializers.FloatField(allow_null=True)


class MessageBody(serializers.Serializer[None]):
    id = serializers.UUIDField()
    parent = serializers.UUIDField(  # type: ignore[assignment]  # a field, which REST framework takes out of the class
        allow_null=True, help_text="The message that it follows; two with one are branches."
    )
    role = serializers.CharField(help_text="`user` asks, `assistant` answers.")
    content = serializers.CharField()
    status = serializers.CharField(help_text="`streaming`, `complete`, `stopped`, `failed` or `interrupted`.")
    error = serializers.CharField()
    model = serializers.CharField()
    finish_reason = serializers.CharField()
    sources = StoredSourceBody(many=True)
    cache = serializers.DictField(allow_null=True, help_text="status, similarity, age, question, entry_id.")
    usage = serializers.DictField(child=serializers.IntegerField())
    stages = serializers.DictField(child=serializers.FloatField(), help_text="Milliseconds each.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class WholeConversationBody(ConversationBody):
    messages = MessageBody(many=True)


class ConversationPageBody(serializers.Serializer[None]):
    next = serializers.CharField(allow_blank=True, help_text="Send it as `after` for the next page; empty at the end.")
    results = ConversationBody(many=True)


class ConversationChange(Strict):
    title = serializers.CharField(required=False, allow_blank=True, help_text=f"{filing.TITLE} characters at most.")
    tags = serializers.ListField(child=serializers.CharField(), required=False, max_length=filing.TAGS)
    pinned = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False)


class ListRequest(Strict):
    after = serializers.CharField(required=False, allow_blank=True, default="")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=40)
    tag = serializers.CharField(required=False, allow_blank=True, default="")
    archived = serializers.BooleanField(default=False)


class SearchQuery(Strict):
    q = serializers.CharField(max_length=MAX_QUERY, help_text="Words; each may be unfinished, all must be there.")
    limit = serializers.IntegerField(min_value=1, max_value=50, default=MOST)


class HitBody(serializers.Serializer[None]):
    conversation = serializers.UUIDField()
    message = serializers.UUIDField(allow_null=True, help_text="null where the title was found.")
    role = serializers.CharField(allow_blank=True)
    title = serializers.CharField()
    snippet = serializers.CharField(help_text="Plain text around the first word that was found.")
    at = serializers.DateTimeField()


class FoundBody(serializers.Serializer[None]):
    results = HitBody(many=True)


class ConversationsView(APIView):
    @extend_schema(
        operation_id="conversations_list",
        parameters=[ListRequest],
        responses={200: ConversationPageBody, "4XX": ErrorBody},
    )
    def get(self, request: Request) -> Response:
        """Your conversations, pinned ones first, then the latest; of a key, those of its project."""
        asked = ListRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        fields = asked.validated_data
        wanted = Filter(tag=fields["tag"], archived=fields["archived"], web=False)
        page = list_page(actor_of(request), wanted, fields["after"], fields["limit"])
        return Response({"next": page.after, "results": [summary(entry.conversation) for entry in page.entries]})


class ConversationView(APIView):
    @extend_schema(responses={200: WholeConversationBody, "4XX": ErrorBody})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """A conversation with all its messages, of all branches."""
        found = get_conversation(actor_of(request), conversation_id)
        messages = [message_body(message) for message in list_messages(found)]
        return Response({**summary(found), "messages": messages})

    @extend_schema(request=ConversationChange, responses={200: ConversationBody, "4XX": ErrorBody})
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        """Rename, tag, pin, archive: the fields that are sent."""
        found = get_conversation(actor_of(request), conversation_id)
        asked = ConversationChange(data=request.data)
        asked.is_valid(raise_exception=True)
        filing.edit(found, **asked.validated_data)
        return Response(summary(found))

    @extend_schema(responses={204: None, "4XX": ErrorBody})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation. On the chat page it can be brought back for an hour; then it is gone for good."""
        actor = actor_of(request)
        found = get_conversation(actor, conversation_id)
        async_to_sync(mirror.stop)((actor, conversation_id), None)
        filing.put_away(found)
        return Response(status=204)


class ConversationSearchView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, required=True, description="Words; each may be unfinished, all must be there."),
            OpenApiParameter("limit", int, description=f"Messages at most, 1 to 50; {MOST} unless told."),
        ],
        responses={200: FoundBody, "4XX": ErrorBody},
    )
    def get(self, request: Request) -> Response:
        """Search in the titles and messages of your conversations, the newest first; titles before messages."""
        asked = SearchQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        found = search_conversations(actor_of(request), asked.validated_data["q"], asked.validated_data["limit"])
        return Response({"results": [_hit(hit) for hit in found]})


def _hit(hit: Hit) -> dict[str, object]:
    return {
        "conversation": str(hit.conversation_id),
        "message": str(hit.message_id) if hit.message_id else None,
        "role": hit.role,
        "title": "".join(piece.text for piece in hit.title),
        "snippet": "".join(piece.text for piece in hit.snippet),
        "at": hit.at.isoformat(),
    }
