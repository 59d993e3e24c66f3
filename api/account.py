"""Who is asking: the account of the request's key, or `local` while no key exists. Set by api/auth.py."""

from __future__ import annotations

from flask import g

LOCAL = "local"


def current_account() -> str:
    account: str = g.get("account", LOCAL)
    return account
