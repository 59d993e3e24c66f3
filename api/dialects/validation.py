"""Read a dialect's body into its pydantic model, with the document's own sentences for what is wrong.

Owns nothing of any document. What passes here goes on to the job service as native fields; what that refuses (a prompt
with too many tokens, say) comes back under the dialect's own field names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from flask import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from api.http.body_limits import SINGLE, BodyLimits
from api.http.json_body import EXAMPLE
from api.http.request_body import Body as Sent
from api.http.request_body import read_body
from shared.errors import FieldError, InvalidRequest
from shared.errors.field_errors import FAULTS_LISTED, joined
from shared.music.blank_text import is_blank
from shared.music.request_fields import Integer as Integer
from shared.music.request_fields import Number as Number
from shared.music.request_fields import is_left_out

Sentence = Callable[[str, ErrorDetails], str]  # (field, what pydantic found) -> the document's words for it


def _empty_if_blank(value: object) -> object:
    return "" if isinstance(value, str) and is_blank(value) else value


Prompt = Annotated[str, Field(min_length=1), BeforeValidator(_empty_if_blank)]  # one that shows nothing is too short


class Body(BaseModel):
    """Validate a document's request body. A field that the document does not have is refused by name.

    One that may be left out is, where it is null or "".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in fields.items() if name not in optional or not is_left_out(name, value)}


class Refused(InvalidRequest):
    """Refuse a body that breaks its document's rules. The message is the document's, word for word."""

    def __init__(self, errors: Sequence[FieldError], more: int = 0) -> None:
        super().__init__(errors, more)
        self.message = joined((e.message for e in self.errors), self.more)


def read_sent(
    request: Request, file_fields: tuple[str, ...] = (), *, limits: BodyLimits = SINGLE, example: str = EXAMPLE
) -> Sent:
    """Return what was sent, as read_body. Where nothing at all was, the document's own words say what is missing."""
    if not request.content_length and "Transfer-Encoding" not in request.headers:
        return Sent({}, {})
    return read_body(request, file_fields, limits=limits, example=example)


B = TypeVar("B", bound=Body)


def read_as(model: type[B], fields: Mapping[str, Any], sentence: Sentence) -> B:
    """Return the validated body. Raises Refused with a sentence for every bad field."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [_fault(detail, sentence) for detail in details[:FAULTS_LISTED]]
        raise Refused(found, len(details) - len(found)) from None


def _fault(detail: ErrorDetails, sentence: Sentence) -> FieldError:
    field = str(detail["loc"][0])[:60] if detail["loc"] else "body"
    return FieldError(field, sentence(field, detail), repr(detail["input"])[:80], _code(field, detail))


def _code(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "UNKNOWN_FIELD"
    return "INVALID_PROMPT" if field in ("prompt", "text", "description") else "INVALID_REQUEST"


def is_missing(detail: ErrorDetails) -> bool:
    """Return whether the value is not there at all, is null, or is blank text."""
    return detail["type"] in ("missing", "string_too_short") or detail["input"] is None


def or_leave_it_out(field: str) -> str:
    """Return the end of a remedy: many programs write -1 for a random seed."""
    return "; leave it out for a random one" if field == "seed" else ""


def message_of(error: InvalidRequest, names: Mapping[str, str]) -> str:
    """Return one line for an error of the body or of the job service. `names`: native field -> the document's."""
    if isinstance(error, Refused):
        return error.message
    return joined((f"{names.get(e.field, e.field)}: {e.message}" for e in error.errors), error.more)
