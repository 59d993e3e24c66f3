"""Whose request this is: a key in X-API-Key or Authorization: Bearer, or nobody's while no key exists.

Sets the account that `api.account` gives and what it may do, before any route runs. Counts nothing and knows no
dialect; a refusal is one error, which the dialect that owns the path puts into words.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, g, request

from api.account import current_account
from api.exposure import must_have_keys
from api.keys import Allowance, Key, Keys
from api.origin_guard import OriginGuard
from shared.errors import BrokerUnavailable, Unauthorized
from shared.settings import Settings
from shared.signing import Signer

# What is there and whether it works, and how to use it: no secrets, and load balancers have no keys
OPEN_PATHS = frozenset(
    {"/", "/health", "/health/ready", "/health/live", "/api/v1/health", "/metrics", "/openapi.json", "/docs"}
)
OPEN_PREFIXES = ("/docs/",)
# The WebSocket's addresses: what comes over them is under all of the account's limits, also with a ticket
SUBMITTING = frozenset({"/ws/stream", "/api/v1/ws/stream"})
NO_LIMITS = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)


def is_open(path: str) -> bool:
    """Whether that address needs no key and counts towards no limit."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def install(app: Flask, keys: Keys, signer: Signer, settings: Settings) -> None:
    guard = OriginGuard(settings)

    @app.before_request
    def _authenticate() -> None:
        g.keys_exist = False
        g.allowance = NO_LIMITS
        if request.method == "OPTIONS" or is_open(request.path):
            return
        g.door = "unknown"  # and stays so where the broker does not answer: api.cors does not wait for it again
        g.door = "locked" if keys.exist() else "open"
        if g.door == "open":
            if must_have_keys([request.environ.get("SERVER_NAME", "")], settings):
                raise Unauthorized("this service has no API key yet: its operator makes one, python -m api.keys create")
            guard.expect_own(request)
            return
        g.keys_exist = True
        linked = signer.account_of(request.path, request.args) if request.method in ("GET", "HEAD") else None
        g.linked = linked is not None
        if linked is not None:
            g.account, g.allowance = linked, keys.allowance_of(linked)
            if request.path not in SUBMITTING:
                g.allowance = replace(NO_LIMITS, monthly_bytes=g.allowance.monthly_bytes)
            return
        key = _key_of_request(keys)
        g.account, g.allowance, g.key_id = key.account, key.allowance, key.id


def expect_valid_key(keys: Keys) -> None:
    """Whether a connection that has been open for a while may still speak for its account. Raises Unauthorized."""
    if not g.get("keys_exist"):
        if keys.exist():
            raise Unauthorized("this service has API keys by now: connect again, with one")
    elif g.linked:
        if not keys.any_of(current_account()):
            raise Unauthorized("the API keys of this account are disabled")
        g.allowance = keys.allowance_of(current_account())
    else:
        g.allowance = _key_of_request(keys).allowance


def may_see_inside(keys: Keys, settings: Settings) -> bool:
    """Whether a caller of an open path may be told what strangers should not know: with a key, or while none exists.

    Nobody may while the broker is away.
    """
    try:
        if keys.exist():
            _key_of_request(keys)
            return True
    except (BrokerUnavailable, Unauthorized):
        return False
    return not must_have_keys([request.environ.get("SERVER_NAME", "")], settings)


def _key_of_request(keys: Keys) -> Key:
    """Raises Unauthorized."""
    given = _given()
    if not given:
        raise Unauthorized("no API key: send it as X-API-Key or as Authorization: Bearer")
    if len(given) > 1:
        raise Unauthorized("X-API-Key and Authorization: Bearer hold two different keys; send one")
    key = keys.find(given.pop())
    if key is None:
        raise Unauthorized("this API key is unknown or disabled")
    return key


def _given() -> set[str]:
    found = {request.headers.get("X-API-Key", "").strip()}
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.add(token.strip())
    return found - {""}
