"""Serve /admin/api/keys: list them with limits and use, make and disable them."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from api.auth.authenticate import current_actor
from api.auth.keys import Key
from api.auth.rate_limits import Limits
from api.http.query import read_number
from api.http.request_body import read_body
from api.openapi.admin_access_schemas import AdminKey, AdminKeys, CreatedKey, DisabledKey, KeyLimits, KeyUse
from api.openapi.operations import Operation, integer
from api.services.administration import Administration
from api.services.key_request import KeyBody, read_key_request
from shared.admin.queue_states import AccountLoad
from shared.errors import Conflict

PAGE_AT_MOST = 200
EXAMPLE = '{"name": "game studio"}'


def add_routes(bp: Blueprint, administration: Administration) -> None:
    @bp.get("/keys")
    def keys() -> Response:
        limit, offset = read_number("limit", 100, 1, PAGE_AT_MOST), read_number("offset", 0, 0, 10**9)
        limits: Limits = current_app.extensions["limits"]
        newest = administration.keys.all()[::-1]
        loads = {load.account: load for load in administration.queues.accounts()}
        listed = [_key(key, limits, loads.get(key.account)) for key in newest[offset : offset + limit]]
        response: AdminKeys = {"keys": listed, "total": len(newest), "limit": limit, "offset": offset}
        return jsonify(response)

    @bp.post("/keys")
    def create() -> tuple[Response, int]:
        asked = read_key_request(read_body(request, example=EXAMPLE).fields)
        if not asked.admin and not administration.keys.exist():
            raise Conflict(
                "no key exists yet, and from the first one on this page asks for one with the scope admin: make that "
                "first (admin: true)"
            )
        if asked.admin:
            secret, key = administration.key_admin.create_admin(asked.name, current_actor())
        else:
            secret, key = administration.key_admin.create(asked.name, asked.limits, asked.account, current_actor())
        response: CreatedKey = {
            "key": secret,
            "id": key.id,
            "name": key.name,
            "scope": key.scope,
            "account": key.account,
            "limits": _limits_of(key),
        }
        return jsonify(response), 201

    @bp.post("/keys/<key_id>/disable")
    def disable(key_id: str) -> Response:
        cancel_jobs = bool(read_number("cancel_jobs", 0, 0, 1))
        key, cancelled = administration.key_admin.disable(key_id, current_actor(), cancel_jobs=cancel_jobs)
        response: DisabledKey = {"id": key.id, "name": key.name, "disabled": True, "cancelled": cancelled}
        return jsonify(response)


def _key(key: Key, limits: Limits, load: AccountLoad | None) -> AdminKey:
    usage = limits.usage(key.account, key.allowance)
    use: KeyUse = {
        "submissions": {window: counted["used"] for window, counted in usage["windows"].items()},
        "running": load.running if load else 0,
        "waiting": load.waiting if load else 0,
        "month_bytes": usage["bandwidth"]["used"],
    }
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "account": key.account,
        "disabled": key.disabled,
        "created_at": key.created_at,
        "limits": _limits_of(key),
        "use": use,
    }


def _limits_of(key: Key) -> KeyLimits:
    return cast("KeyLimits", asdict(key.allowance))


OPERATIONS = [
    Operation(
        "GET",
        "/admin/api/keys",
        "listKeys",
        "The API keys, with limits and use",
        {200: AdminKeys},
        query={"limit": integer(100, 1, PAGE_AT_MOST), "offset": integer(0, 0, 10**9)},
    ),
    Operation(
        "POST",
        "/admin/api/keys",
        "createKey",
        "Make a key, which is shown this once",
        {201: CreatedKey},
        body=KeyBody,
        example={"name": "game studio", "rpm": 60, "concurrent": 4},
        failures=(409,),
    ),
    Operation(
        "POST",
        "/admin/api/keys/<key_id>/disable",
        "disableKey",
        "End a key for good",
        {200: DisabledKey},
        query={"cancel_jobs": integer(0, 0, 1)},
    ),
]
