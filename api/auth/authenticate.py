"""Authenticate a request by its key (X-API-Key or Authorization: Bearer) or its signed link, before any route runs.

What is found is the request's one AuthContext (api/auth/context.py); while no key exists, everybody is `local`. Counts
nothing and knows no dialect; a refusal is one error, which the dialect that owns the path puts into words.
"""

from __future__ import annotations

import time
from dataclasses import replace

from flask import Flask, Request, current_app, g, request

from api.auth.admin_guard import AdminGuard
from api.auth.context import AuthContext
from api.auth.exposure import must_have_keys
from api.auth.keys import NO_LIMITS, Key, Keys
from api.auth.origin_guard import OriginGuard
from api.auth.path_rules import PathRules
from api.http.request_hooks import RequestHooks
from api.http.request_state import RequestState, request_state
from shared.accounts.key_states import Grant
from shared.accounts.signed_urls import Link, Signer
from shared.admin.audit_log import Actor
from shared.errors import BrokerUnavailable, Forbidden, LinkExpired, Unauthorized
from shared.settings import Settings

CHECKED_FOR_S = 1.0  # for so long a request's key counts as good that was good when it came
ANONYMOUS = AuthContext()
WITHOUT_KEYS = Actor("at this machine, without keys")


def current_auth() -> AuthContext:
    """Return who asks and what they may do: the one way in which anything reads it."""
    found: AuthContext = g.get("auth", ANONYMOUS)
    return found


def install(app: Flask, hooks: RequestHooks, keys: Keys, signer: Signer, rules: PathRules, settings: Settings) -> None:
    """Authenticate every request but those of open paths and CORS preflights; operators by rules of their own."""
    app.extensions["keys"] = keys
    app.extensions["origin_guard"] = guard = OriginGuard(settings)
    admin_guard = AdminGuard(settings)

    @hooks.before
    def _authenticate(request: Request, state: RequestState) -> None:
        if rules.is_admin(request.path):
            g.auth = _operator(request)
            return
        if request.method == "OPTIONS" or rules.is_open(request.path):
            return
        if keys.exist():
            g.auth = _by_link(keys, signer, rules) or _by_key(keys)
            return
        _expect_guarded(request)
        guard.expect_own(request)

    def _operator(request: Request) -> AuthContext:
        """Authenticate an operator; the page itself is anybody's once keys exist, since it asks for one."""
        if keys.exist():
            return ANONYMOUS if rules.is_open(request.path) else _by_admin_key(keys)
        _expect_guarded(request)
        admin_guard.expect_operator(request)
        return AuthContext(actor=WITHOUT_KEYS)

    def _expect_guarded(request: Request) -> None:
        if must_have_keys([request.environ.get("SERVER_NAME", "")], settings):
            raise Unauthorized("this service has no API key yet: its operator makes one, python -m api.keys create")


def _by_key(keys: Keys) -> AuthContext:
    """Authenticate by the key that the request sends. Raises Unauthorized, and Forbidden for an operator's key."""
    key = _key_of_request(keys)
    if key.admin:
        raise Forbidden(
            "this API key has the scope admin, which opens /admin and nothing else; for music send an ordinary one "
            "(python -m api.keys create --name NAME)"
        )
    return AuthContext(Grant(key.account, key.id), key.allowance)


def _by_admin_key(keys: Keys) -> AuthContext:
    """Authenticate an operator. Raises Unauthorized, and Forbidden for a key without the scope."""
    key = _key_of_request(keys)
    if not key.admin:
        raise Forbidden(
            "this API key has not the scope admin; an operator makes one that has: python -m api.keys create --admin "
            "--name NAME"
        )
    return AuthContext(Grant(key.account, key.id), key.allowance, actor=Actor(key.name, key.id))


def current_actor() -> Actor:
    """Return the operator that asks. Raises Forbidden where none does, however a route came to be asked for."""
    actor = current_auth().actor
    if actor is None:
        raise Forbidden("this is for operators alone")
    return actor


def _by_link(keys: Keys, signer: Signer, rules: PathRules) -> AuthContext | None:
    """Authenticate by the request's signed link; None where it has none, or a useless one beside a key.

    Raises Unauthorized, and LinkExpired for a link that was good once.
    """
    if request.method not in ("GET", "HEAD") or "signature" not in request.args:
        return None
    link = signer.read(request.path, request.args)
    if link is None or link.expired or not keys.states.is_living(link.grant):
        if _sent_keys():
            return None
        raise _useless(link)
    allowance = keys.allowance_of(link.grant.account)
    if rules.opens_session(request.path):  # any other link opens itself alone
        return AuthContext(link.grant, allowance)
    return AuthContext(link.grant, replace(NO_LIMITS, monthly_bytes=allowance.monthly_bytes), link.expires_at)


def speak_for(keys: Keys, grant: Grant, expires_at: float) -> None:
    """Serve this request, which came by a link that shares a task, on that behalf: its bytes count there."""
    limits = replace(NO_LIMITS, monthly_bytes=keys.allowance_of(grant.account).monthly_bytes)
    g.auth = AuthContext(grant, limits, int(expires_at))


def _useless(link: Link | None) -> Unauthorized:
    if link is None:
        return Unauthorized("the signature of this link does not fit its address; ask for a new link, with an API key")
    if link.expired:
        return LinkExpired("this link has expired; ask GET /tasks/<id> for a new one, with an API key")
    return Unauthorized("the API key that this link was made with is disabled; ask for a new link, with another key")


def expect_valid_key(keys: Keys) -> None:
    """Refuse to go on for a connection whose key was disabled since it was opened; read its limits again.

    Raises Unauthorized.
    """
    auth = current_auth()
    grant = auth.grant
    if grant is None:
        if keys.exist():
            raise Unauthorized("this service has API keys by now: connect again, with one")
    elif not keys.states.is_living(grant):
        raise Unauthorized("the API key that opened this connection is disabled")
    else:
        g.auth = replace(auth, allowance=keys.allowance_of(grant.account))


def expect_key_still_good() -> None:
    """Refuse to give audio away to a request that has waited while its key was disabled. Raises Unauthorized."""
    grant = current_auth().grant
    if grant is None or time.monotonic() - request_state().arrived_at < CHECKED_FOR_S:
        return
    keys: Keys = current_app.extensions["keys"]
    if not keys.states.is_living(grant):
        raise Unauthorized("the API key of this request was disabled while it waited")


def may_see_inside(keys: Keys, settings: Settings) -> bool:
    """Return whether a caller of an open path may learn what strangers should not know.

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
    """Return the record of the one key that the request sends. Raises Unauthorized."""
    sent = _sent_keys()
    if not sent:
        raise Unauthorized("no API key: send it as X-API-Key or as Authorization: Bearer")
    if len(sent) > 1:
        raise Unauthorized("X-API-Key and Authorization: Bearer hold two different keys; send one")
    key = keys.find(sent.pop())
    if key is None:
        raise Unauthorized("this API key is unknown or disabled")
    return key


def _sent_keys() -> set[str]:
    found = {request.headers.get("X-API-Key", "").strip()}
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.add(token.strip())
    return found - {""}
