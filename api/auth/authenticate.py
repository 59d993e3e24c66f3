"""Whose request this is: a key in X-API-Key or Authorization: Bearer, or nobody's while no key exists.

Sets the account that `api.auth.context` gives and what it may do, before any route runs. Counts nothing and knows no
dialect; a refusal is one error, which the dialect that owns the path puts into words.
"""

from __future__ import annotations

import time
from dataclasses import replace

from flask import Flask, current_app, g, request

from api.auth.context import current_grant
from api.auth.exposure import must_have_keys
from api.auth.keys import Allowance, Key, Keys
from api.auth.origin_guard import OriginGuard
from shared.accounts.key_states import Grant
from shared.accounts.signed_urls import Link, Signer
from shared.errors import BrokerUnavailable, LinkExpired, Unauthorized
from shared.settings import Settings

# What is there and whether it works, and how to use it: no secrets, and load balancers have no keys
OPEN_PATHS = frozenset(
    {"/", "/health", "/health/ready", "/health/live", "/api/v1/health", "/metrics", "/openapi.json", "/docs"}
)
OPEN_PREFIXES = ("/docs/",)
# The WebSocket's addresses: what comes over them is under all of the account's limits, also with a ticket
SUBMITTING = frozenset({"/ws/stream", "/api/v1/ws/stream"})
CHECKED_FOR_S = 1.0  # for so long a request's key counts as good that was good when it came
NO_LIMITS = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)


def is_open(path: str) -> bool:
    """Whether that address needs no key and counts towards no limit."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def install(app: Flask, keys: Keys, signer: Signer, settings: Settings) -> None:
    app.extensions["keys"] = keys
    app.extensions["origin_guard"] = guard = OriginGuard(settings)

    @app.before_request
    def _authenticate() -> None:
        g.keys_exist = False
        g.allowance = NO_LIMITS
        if request.method == "OPTIONS" or is_open(request.path):
            return
        g.door = "unknown"  # and stays so where the broker does not answer: api.auth.cors does not wait for it again
        g.door = "locked" if keys.exist() else "open"
        if g.door == "open":
            if must_have_keys([request.environ.get("SERVER_NAME", "")], settings):
                raise Unauthorized("this service has no API key yet: its operator makes one, python -m api.keys create")
            guard.expect_own(request)
            return
        g.keys_exist = True
        if not _enter_by_link(keys, signer):
            key = _key_of_request(keys)
            g.account, g.allowance, g.grant = key.account, key.allowance, Grant(key.account, key.id)


def _enter_by_link(keys: Keys, signer: Signer) -> bool:
    """Let in whoever comes by a signed link; False for a request without one, or with a useless one beside a key.

    Raises Unauthorized, and LinkExpired for a link that was good once.
    """
    if request.method not in ("GET", "HEAD") or "signature" not in request.args:
        return False
    link = signer.read(request.path, request.args)
    if link is None or link.expired or not keys.states.is_living(link.grant):
        if _given():
            return False
        raise _useless(link)
    g.grant, g.account = link.grant, link.grant.account
    g.allowance = keys.allowance_of(g.account)
    if request.path not in SUBMITTING:  # a ticket opens a session, as a key does; any other link opens itself alone
        g.allowance = replace(NO_LIMITS, monthly_bytes=g.allowance.monthly_bytes)
        g.link_expires_at = link.expires_at
    return True


def _useless(link: Link | None) -> Unauthorized:
    if link is None:
        return Unauthorized("the signature of this link does not fit its address; ask for a new link, with an API key")
    if link.expired:
        return LinkExpired("this link has expired; ask GET /tasks/<id> for a new one, with an API key")
    return Unauthorized("the API key that this link was made with is disabled; ask for a new link, with another key")


def expect_valid_key(keys: Keys) -> None:
    """Refuse to go on for a connection whose key was disabled since it was opened. Raises Unauthorized."""
    grant = current_grant()
    if grant is None:
        if keys.exist():
            raise Unauthorized("this service has API keys by now: connect again, with one")
    elif not keys.states.is_living(grant):
        raise Unauthorized("the API key that opened this connection is disabled")
    else:
        g.allowance = keys.allowance_of(grant.account)


def expect_key_still_good() -> None:
    """Refuse to give audio away to a request that has waited while its key was disabled. Raises Unauthorized."""
    grant = current_grant()
    if grant is None or time.monotonic() - g.arrived_at < CHECKED_FOR_S:
        return
    keys: Keys = current_app.extensions["keys"]
    if not keys.states.is_living(grant):
        raise Unauthorized("the API key of this request was disabled while it waited")


def may_see_inside(keys: Keys, settings: Settings) -> bool:
    """Whether a caller of an open path may be told what strangers should not know.

    With a key; while none exists, everybody but foreign pages; nobody while the broker is away.
    """
    try:
        if keys.exist():
            _key_of_request(keys)
            return True
    except (BrokerUnavailable, Unauthorized):
        return False
    guard: OriginGuard = current_app.extensions["origin_guard"]
    return guard.is_own(request) and not must_have_keys([request.environ.get("SERVER_NAME", "")], settings)


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
