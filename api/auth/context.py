"""Tell who is asking: the account of the request's key or link, or `local` while no key exists.

Set by api/auth/authenticate.py.
"""

from __future__ import annotations

from flask import g

from shared.accounts.key_states import Grant
from shared.jobs.job import LOCAL


def current_account() -> str:
    account: str = g.get("account", LOCAL)
    return account


def current_grant() -> Grant | None:
    """Return the account and the key that this request speaks for; None while no key exists."""
    grant: Grant | None = g.get("grant")
    return grant


def current_key_id() -> str | None:
    """Return the id of the key that a job of this request is made with; None while no key exists."""
    grant = current_grant()
    return grant.key_id if grant else None


def current_bound() -> int:
    """How many of its jobs may run at once; 0 is any number."""
    return g.allowance.concurrent or 0 if "allowance" in g else 0
