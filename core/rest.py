"""What all of REST has in common: one shape of error, for ours and Django REST framework's own, and strict requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound, PermissionDenied, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler

from core.errors import InvalidInput, PolyAIError, ProviderError, StoreUnavailable, TooLong
from core.text import storable


class ErrorDetail(serializers.Serializer[None]):
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorBody(serializers.Serializer[None]):
    """Documents the shape: `{"error": {"code", "message"}}`."""

    error = ErrorDetail()


class Strict(serializers.Serializer[None]):
    """Refuses fields that it does not know: a filter with a typing error must not let everything through."""

    def to_internal_value(self, data: Any) -> Any:  # Any: REST framework's signature
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in self.fields]):
            known = ", ".join(self.fields)
            told = _("There is no field '%(unknown)s' here; known are %(known)s.") % {
                "unknown": unknown[0],
                "known": known,
            }
            raise serializers.ValidationError({"non_field_errors": [told]})
        return super().to_internal_value(data)


def error_response(code: str, message: str, status: int, *, retry_after: float | None = None) -> Response:
    """`retry_after`: seconds until the same may be asked again, where that is known."""
    return Response({"error": {"code": code, "message": message}}, status=status, headers=retry_header(retry_after))


def retry_header(retry_after: float | None) -> dict[str, str]:
    return {"Retry-After": str(math.ceil(retry_after))} if retry_after else {}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:  # Any: REST framework's context
    """What a view raised, as `{"error": …}`; None, for Django's own page and log, for what nobody foresaw."""
    if isinstance(error, OperationalError | InterfaceError):
        error = StoreUnavailable(_("The database does not answer. Try again in a moment."))
    if isinstance(error, RequestDataTooBig):
        megabytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024**2
        error = TooLong(
            _("The body has more than %(megabytes)s MB. Upload long texts as documents instead.")
            % {"megabytes": megabytes}
        )
    if isinstance(error, RecursionError):
        error = InvalidInput(_("The body is nested too deeply."))
    if isinstance(error, PolyAIError):
        retry_after = error.retry_after if isinstance(error, ProviderError) else None
        return error_response(error.code, error.message, error.status, retry_after=retry_after)
    response = default_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = {"error": {"code": "invalid_input", "message": storable(_sentence(error.detail))}}
    else:
        if isinstance(error, Http404):
            error = NotFound(_("There is nothing here."))
        elif isinstance(error, DjangoPermissionDenied):
            error = PermissionDenied()
        assert isinstance(error, APIException)
        response.data = {"error": {"code": error.default_code, "message": str(error.detail)}}
    return response


def _sentence(detail: object) -> str:
    """`{"name": ["This field is required."]}` → `name: This field is required.`"""
    if isinstance(detail, dict):
        told = [(field, _sentence(problem)) for field, problem in detail.items()]
        return " ".join(problem if field == "non_field_errors" else f"{field}: {problem}" for field, problem in told)
    if isinstance(detail, list):
        return " ".join(_sentence(problem) for problem in detail)
    return str(detail)
