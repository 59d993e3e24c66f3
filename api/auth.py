"""Whose request this is: a key in X-API-Key or Authorization: Bearer, or nobody's while no key exists.

Sets the account that `api.account` gives, before any route runs. Knows no limits and no dialect; a refusal is one
error, which the dialect that owns the path puts into words.
"""

from __future__ import annotations

from flask import Flask, g, request

from api.keys import Allowance, Key, Keys
from api.signing import Signer
from shared.errors import Unauthorized

# What is there and whether it works, and how to use it: no secrets, and load balancers have no keys
OPEN_PATHS = frozenset(
    {"/", "/health", "/health/ready", "/health/live", "/api/v1/health", "/metrics", "/openapi.json", "/docs"}
)
OPEN_PREFIXES = ("/docs/",)
NO_LIMITS = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)


def install(app: Flask, keys: Keys, signer: Signer) -> None:
    @app.before_request
    def _authenticate() -> None:
        g.keys_exist = False
        g.allowance = NO_LIMITS
        if request.method == "OPTIONS" or request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIXES):
            return
        if not keys.exist():
            return
        g.keys_exist = True
        linked = signer.account_of(request.path, request.args) if request.method in ("GET", "HEAD") else None
        if linked is not None:
            g.account = linked
            return
        key = _key_of_request(keys)
        g.account, g.allowance, g.key_id = key.account, key.allowance, key.id


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
