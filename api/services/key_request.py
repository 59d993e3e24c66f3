"""Read the request for a new API key, and say of each bad field what to send instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from api.auth.key_admin import ACCOUNT, ACCOUNT_WORDS, ADMIN_WORDS, LIMITS, NAME_CHARACTERS, NAME_WORDS, is_name
from shared.errors import FieldError, InvalidRequest
from shared.errors.field_errors import FAULTS_LISTED
from shared.music.request_fields import Integer, is_left_out

MOST = 10**15
Limit = Annotated[Integer, Field(ge=1, le=MOST)] | Literal["none"] | None
REMEDIES = {
    "name": NAME_WORDS,
    "account": ACCOUNT_WORDS,
    "admin": "send true for an operator's key, which opens /admin and nothing else; else leave it out",
    **{limit: f"send a whole number from 1 ({words}), or none for no limit" for limit, words in LIMITS.items()},
}


class KeyBody(BaseModel):
    """Describe a new key. A limit that is left out is that of its account, or the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=NAME_CHARACTERS, description="whose it is")
    admin: bool = Field(False, description="the scope admin: it opens /admin and nothing else")
    account: str | None = Field(
        None, pattern=f"^{ACCOUNT.pattern}$", description="whose tasks and limits to share; left out, its own"
    )
    rpm: Limit = Field(None, description=f"{LIMITS['rpm']}; none for no limit")
    rpd: Limit = Field(None, description=f"{LIMITS['rpd']}; none for no limit")
    concurrent: Limit = Field(None, description=f"{LIMITS['concurrent']}; none for no limit")
    monthly_bytes: Limit = Field(None, description=f"{LIMITS['monthly_bytes']}; none for no limit")

    @property
    def limits(self) -> dict[str, int | None]:
        """Return the limits that are given, None for no limit."""
        given = {limit: getattr(self, limit) for limit in LIMITS}
        return {limit: value if isinstance(value, int) else None for limit, value in given.items() if value is not None}


def read_key_request(fields: Mapping[str, Any]) -> KeyBody:
    """Return the validated request. Raises InvalidRequest with every bad field."""
    sent = {name: value for name, value in fields.items() if not is_left_out(name, value)}
    try:
        body = KeyBody.model_validate(sent)
    except ValidationError as error:
        found = {_field(each): each for each in error.errors(include_url=False)}  # a limit is of several kinds
        listed = list(found.items())[:FAULTS_LISTED]
        raise InvalidRequest([_fault(field, each) for field, each in listed], len(found) - len(listed)) from None
    if not is_name(body.name):
        raise InvalidRequest([FieldError("name", NAME_WORDS, repr(body.name)[:80])])
    if body.admin and (body.account or body.limits):
        odd = [name for name in ("account", *LIMITS) if getattr(body, name) is not None]
        raise InvalidRequest([FieldError(name, ADMIN_WORDS, repr(getattr(body, name))[:80]) for name in odd])
    return body


def _field(error: ErrorDetails) -> str:
    return str(error["loc"][0])[:60] if error["loc"] else "body"


def _fault(field: str, error: ErrorDetails) -> FieldError:
    value = "" if error["type"] == "missing" else repr(error["input"])[:80]
    if error["type"] == "extra_forbidden":
        return FieldError(field, f"unknown field; leave it out. Known: {', '.join(REMEDIES)}", value, "UNKNOWN_FIELD")
    return FieldError(field, f"{REMEDIES.get(field, 'cannot be read')} (got {value or 'nothing'})", value)
