"""Serve /admin/api/audit: what operators did. Nothing changes an entry."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from api.http.query import read_number
from api.openapi.admin_access_schemas import AuditEntryResponse, AuditPage
from api.openapi.operations import Operation, integer
from api.services.administration import Administration
from shared.admin.audit_log import NEWEST, AuditEntry
from shared.errors import FieldError, InvalidRequest
from shared.jobs.event_log import is_id

PAGE_AT_MOST = 200


def add_routes(bp: Blueprint, administration: Administration) -> None:
    @bp.get("/audit")
    def audit() -> Response:
        limit = read_number("limit", 50, 1, PAGE_AT_MOST)
        entries = administration.operator.audit_log.latest(limit, _before())
        response: AuditPage = {
            "entries": [_entry(entry) for entry in entries],
            "next_before": entries[-1].id if len(entries) == limit else None,
        }
        return jsonify(response)


def _before() -> str:
    """Return the id before which the page begins. Raises InvalidRequest."""
    before = request.args.get("before") or NEWEST
    if before != NEWEST and not is_id(before):
        message = "send an entry's id, or what the last page said as next_before"
        raise InvalidRequest([FieldError("before", message, repr(before)[:80])])
    return before


def _entry(entry: AuditEntry) -> AuditEntryResponse:
    return {
        "id": entry.id,
        "at": entry.at,
        "actor": entry.actor,
        "key_id": entry.key_id or None,
        "action": entry.action,
        "target": entry.target,
        "outcome": entry.outcome,
        "detail": entry.detail,
    }


OPERATIONS = [
    Operation(
        "GET",
        "/admin/api/audit",
        "listAuditEntries",
        "What operators did",
        {200: AuditPage},
        query={
            "limit": integer(50, 1, PAGE_AT_MOST),
            "before": {"type": "string", "pattern": "^[0-9]{1,16}(-[0-9]{1,16})?$"},
        },
    )
]
