"""Define the responses of /admin/api about keys and the audit log. Times are UNIX seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.jobs.response_schemas import ResponseSchema

KeyScope = Literal["music", "admin"]


class KeyLimits(ResponseSchema):
    """Give the limits of a key's account; null is no limit."""

    rpm: int | None
    rpd: int | None
    concurrent: int | None
    monthly_bytes: int | None


class KeyUse(ResponseSchema):
    """Count what a key's account has used, of all its keys."""

    submissions: Annotated[dict[str, int], Field(description="limited window -> submissions in it")]
    running: int
    waiting: int
    month_bytes: Annotated[int, Field(description="audio given out in this calendar month, UTC")]


class AdminKey(ResponseSchema):
    """Describe an API key; the key itself is kept nowhere."""

    id: str
    name: str
    scope: KeyScope
    account: str
    disabled: bool
    created_at: float
    limits: KeyLimits
    use: KeyUse


class AdminKeys(ResponseSchema):
    """List the keys, the newest first; those of API_KEYS are not among them."""

    keys: list[AdminKey]
    total: int
    limit: int
    offset: int


class CreatedKey(ResponseSchema):
    """Give a new key, this once."""

    key: Annotated[str, Field(description="to be sent as X-API-Key or Authorization: Bearer")]
    id: str
    name: str
    scope: KeyScope
    account: str
    limits: KeyLimits


class DisabledKey(ResponseSchema):
    """Say which key is disabled, and how many of its waiting tasks were cancelled with it."""

    id: str
    name: str
    disabled: Literal[True]
    cancelled: int


class AuditEntryResponse(ResponseSchema):
    """Describe one action of an operator. `unknown`: it is under way, or its process ended before it was over."""

    id: str
    at: float
    actor: str
    key_id: Annotated[str | None, Field(description="the key that it was asked for with")]
    action: str
    target: str
    outcome: Literal["done", "refused", "failed", "unknown"]
    detail: str


class AuditPage(ResponseSchema):
    """List the actions of operators, the newest first."""

    entries: list[AuditEntryResponse]
    next_before: Annotated[str | None, Field(description="send it as `before` for the next page; null at the end")]
