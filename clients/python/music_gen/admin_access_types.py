"""Define what /admin/api responds with about keys and the audit log. Times are UNIX seconds.

Written by tools/generate_client_types.py; do not edit.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class KeyLimits(TypedDict):
    """Give the limits of a key's account; null is no limit."""

    rpm: int | None
    rpd: int | None
    concurrent: int | None
    monthly_bytes: int | None


class KeyUse(TypedDict):
    """Count what a key's account has used, of all its keys."""

    submissions: dict[str, int]  # limited window -> submissions in it
    running: int
    waiting: int
    month_bytes: int  # audio given out in this calendar month, UTC


class AdminKey(TypedDict):
    """Describe an API key; the key itself is kept nowhere."""

    id: str
    name: str
    scope: Literal["music", "admin"]
    account: str
    disabled: bool
    created_at: float
    limits: KeyLimits
    use: KeyUse


class AdminKeyPage(TypedDict):
    """List the keys, the newest first; those of API_KEYS are not among them."""

    keys: list[AdminKey]
    total: int
    limit: int
    offset: int


class CreatedKey(TypedDict):
    """Give a new key, this once."""

    key: str  # to be sent as X-API-Key or Authorization: Bearer
    id: str
    name: str
    scope: Literal["music", "admin"]
    account: str
    limits: KeyLimits


class DisabledKey(TypedDict):
    """Say which key is disabled, and how many of its waiting tasks were cancelled with it."""

    id: str
    name: str
    disabled: Literal[True]
    cancelled: int


class AuditEntry(TypedDict):
    """Describe one action of an operator. `unknown`: it is under way, or its process ended before it was over."""

    id: str
    at: float
    actor: str
    key_id: str | None  # the key that it was asked for with
    action: str
    target: str
    outcome: Literal["done", "refused", "failed", "unknown"]
    detail: str


class AuditPage(TypedDict):
    """List the actions of operators, the newest first."""

    entries: list[AuditEntry]
    next_before: str | None  # send it as `before` for the next page; null at the end
