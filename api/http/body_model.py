"""Validate a small body by its model: each bad field is named with its value and what to send instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.errors import FieldError, InvalidRequest

M = TypeVar("M", bound=BaseModel)


def read_model(model: type[M], fields: Mapping[str, Any]) -> M:
    """Return the validated body; the descriptions of the model's fields say what to send. Raises InvalidRequest."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidRequest([_fault(model, detail) for detail in error.errors(include_url=False)]) from None


def _fault(model: type[BaseModel], detail: ErrorDetails) -> FieldError:
    field = str(detail["loc"][0]) if detail["loc"] else "body"
    if detail["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        return FieldError(field, f"unknown field; leave it out. Known: {known}", repr(detail["input"]), "UNKNOWN_FIELD")
    value = repr(detail["input"])[:60]
    message = f"{detail['msg'][:1].lower()}{detail['msg'][1:]} (got {value})"
    described = model.model_fields[field].description if field in model.model_fields else None
    return FieldError(field, f"{message}. Send {described}" if described else message, value)
