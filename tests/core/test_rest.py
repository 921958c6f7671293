"""core/rest.py: our errors and REST framework's own have one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import connection, connections
from django.http import Http404
from django.test import Client
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from core.database import in_db
from core.errors import PolyAIError, ProviderRateLimited
from tests.conftest import Cast, browser_of
from tests.core.test_errors import EVERY_ERROR


def answer_to(error: Exception) -> Response:
    """What a view that raises it answers."""

    class Failing(APIView):
        authentication_classes = ()
        permission_classes = (AllowAny,)

        def get(self, request: Request) -> Response:
            raise error

    response = Failing.as_view()(APIRequestFactory().get("/"))
    assert isinstance(response, Response)
    return response


def body_of(response: Response) -> tuple[int, str, str]:
    """Status, code and message; anything else in the body is one thing too many."""
    shown = json.loads(response.render().content)
    assert set(shown) == {"error"}
    assert set(shown["error"]) == {"code", "message"}
    return response.status_code, shown["error"]["code"], shown["error"]["message"]


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_each_of_our_errors_is_told_with_its_own_status_and_code(error: type[PolyAIError]) -> None:
    assert body_of(answer_to(error("What to do."))) == (error.status, error.code, "What to do.")


def theirs() -> Iterator[tuple[Exception, int, str]]:
    yield exceptions.ParseError(), 400, "parse_error"
    yield exceptions.AuthenticationFailed(), 401, "authentication_failed"
    yield exceptions.NotAuthenticated(), 401, "not_authenticated"
    yield exceptions.PermissionDenied(), 403, "permission_denied"
    yield DjangoPermissionDenied(), 403, "permission_denied"
    yield exceptions.NotFound(), 404, "not_found"
    yield Http404(), 404, "not_found"
    yield exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"
    yield exceptions.NotAcceptable(), 406, "not_acceptable"
    yield exceptions.UnsupportedMediaType("text/x"), 415, "unsupported_media_type"
    yield exceptions.Throttled(wait=30), 429, "throttled"
    yield exceptions.APIException(), 500, "error"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [pytest.param(*row, id=f"{type(row[0]).__module__.split('.')[0]} {type(row[0]).__name__}") for row in theirs()],
)
def test_each_of_theirs_has_the_same_shape(error: Exception, status: int, code: str) -> None:
    shown, shown_code, message = body_of(answer_to(error))
    # Without an authenticator that could challenge, REST framework makes 403 of 401.
    assert (shown, shown_code) == (403 if status == 401 else status, code)
    assert message


def test_a_provider_that_wants_to_be_left_alone_says_when_to_come_back() -> None:
    assert answer_to(ProviderRateLimited("Wait.", retry_after=29.2)).headers["Retry-After"] == "30"
    assert "Retry-After" not in answer_to(ProviderRateLimited("Wait."))


def test_being_throttled_says_when_to_come_back() -> None:
    assert answer_to(exceptions.Throttled(wait=30)).headers["Retry-After"] == "30"


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ("Too short.", "Too short."),
        (["Too short.", "Too odd."], "Too short. Too odd."),
        ({"name": ["This field is required."]}, "name: This field is required."),
        ({"name": ["Too short."], "slug": ["Taken."]}, "name: Too short. slug: Taken."),
        ({"documents": [{}, {"name": ["Too long."]}]}, "documents:  name: Too long."),
    ],
    ids=["a text", "a list", "a field", "two fields", "nested"],
)
def test_what_a_serializer_refuses_is_told_in_a_sentence(detail: object, message: str) -> None:
    error = exceptions.ValidationError(detail)  # type: ignore[arg-type]  # lists of dicts are raised by nested serializers
    assert body_of(answer_to(error)) == (400, "invalid_input", message)


def test_what_nobody_foresaw_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        answer_to(ZeroDivisionError("the secret is 42"))


def test_the_real_api_answers_in_this_shape(cast: Cast) -> None:
    client = browser_of(cast.alice)
    broken = client.post("/api/projects/", data="{not json", content_type="application/json")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "parse_error")
    unknown = client.get("/api/projects/nowhere/")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    nobody = Client().get("/api/projects/")
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (401, "not_authenticated")


async def test_without_postgresql_the_api_says_so_in_this_shape(cast: Cast) -> None:
    def ask_on_a_connection_that_is_cut() -> tuple[int, str, str]:
        client = browser_of(cast.alice)
        with connection.cursor() as mine, closing(connections.create_connection("default")) as another:
            mine.execute("SELECT pg_backend_pid()")
            with another.cursor() as theirs:
                theirs.execute("SELECT pg_terminate_backend(%s)", mine.fetchone())
        response = client.get("/api/projects/")
        return response.status_code, response.headers["Content-Type"], response.content.decode()

    status, kind, content = await in_db(ask_on_a_connection_that_is_cut)()
    assert (status, kind) == (503, "application/json")
    assert json.loads(content)["error"]["code"] == "store_unavailable"
