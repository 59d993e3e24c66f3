"""Validate the fields of a submission as a MusicRequest, and say of each bad one what to send instead."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.errors import FieldError, InvalidRequest
from shared.errors.field_errors import FAULTS_LISTED
from shared.music.request import FIELDS, MusicRequest, descriptions
from shared.music.request_limits import REMEDIED, Limits


def parse_request(
    fields: Mapping[str, Any], limits: Limits | None, *, also: tuple[FieldError, ...] = ()
) -> MusicRequest:
    """Validate `fields` under `limits`; `also` are errors already found, reported with the new ones.

    Raises InvalidRequest that lists every bad field with its value and the remedy.
    """
    try:
        request = MusicRequest.model_validate(dict(fields), context={"limits": limits})
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [_field_error(detail) for detail in details[:FAULTS_LISTED]]
        raise InvalidRequest([*also, *found], len(details) - len(found)) from None
    if also:
        raise InvalidRequest(also)
    return request


def _field_error(error: ErrorDetails) -> FieldError:
    field = str(error["loc"][0])[:60] if error["loc"] else "body"
    if error["type"] != "extra_forbidden" and field in MusicRequest.model_fields:
        field = MusicRequest.model_fields[field].alias or field  # a bad default comes under its own name
    value = _shortened(error["input"])
    if error["type"] == "extra_forbidden":
        return FieldError(field, _unknown_field_message(), value, "UNKNOWN_FIELD")
    code = "INVALID_PROMPT" if field == "prompt" else "INVALID_REQUEST"
    message = error["msg"][:1].lower() + error["msg"][1:]
    if error["type"] == REMEDIED:
        return FieldError(field, f"{message} (got {value})", value, code)
    return FieldError(field, f"{message} (got {value}). Send {_remedy(field, error['input'])}", value, code)


def _shortened(value: object, longest: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


@cache
def _unknown_field_message() -> str:
    return f"unknown field; leave it out. Known: {', '.join(sorted(FIELDS))}"


def _remedy(field: str, found: object) -> str:
    """Return what to send instead; whoever sends null for a field wants its default."""
    wanted = descriptions().get(field, "another value")
    return f"{wanted}, or leave it out" if found is None and field != "prompt" else wanted
