"""Who is asking: the account of the request's key, or `local` while no key exists. Set by api/auth.py."""

from __future__ import annotations

from flask import g

from shared.job import LOCAL


def current_account() -> str:
    account: str = g.get("account", LOCAL)
    return account


def current_bound() -> int:
    """How many of its jobs may run at once; 0 is any number."""
    return g.allowance.concurrent or 0 if "allowance" in g else 0
