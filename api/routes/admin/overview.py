"""Serve /admin/api/workers, /queue and /charts: how the service does, and which workers claim."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, cast

from flask import Blueprint, Response, jsonify, request

from api.auth.authenticate import current_actor
from api.openapi.admin_schemas import (
    AccountLoad,
    AdminCharts,
    AdminQueue,
    AdminWorker,
    AdminWorkers,
    MinutePoint,
    ModelQueue,
    WorkerDrain,
)
from api.openapi.operations import Operation
from api.openapi.service_schemas import LiveWorker
from api.services.administration import Administration
from shared.admin.worker_states import WorkerState
from shared.workers.registry import WorkerRecord

HIDDEN = frozenset(field.name for field in fields(WorkerRecord)) - LiveWorker.__annotations__.keys()


def add_routes(bp: Blueprint, administration: Administration) -> None:
    operator = administration.operator

    @bp.get("/workers")
    def workers() -> Response:
        response: AdminWorkers = {"workers": [_worker(state) for state in administration.workers.all()]}
        return jsonify(response)

    @bp.post("/workers/<path:worker>/drain")
    def drain(worker: str) -> Response:
        operator.drain(worker, current_actor())
        response: WorkerDrain = {"worker": worker, "drained": True}
        return jsonify(response)

    @bp.post("/workers/<path:worker>/undrain")
    def undrain(worker: str) -> Response:
        operator.undrain(worker, current_actor())
        response: WorkerDrain = {"worker": worker, "drained": False}
        return jsonify(response)

    @bp.get("/queue")
    def queue() -> Response:
        response: AdminQueue = {
            "models": [cast("ModelQueue", asdict(state)) for state in administration.queues.models()],
            "accounts": [cast("AccountLoad", asdict(load)) for load in administration.queues.accounts()],
        }
        return jsonify(response)

    @bp.get("/charts")
    def charts() -> Response:
        minutes = administration.history.last_hour(request.args.get("model") or None)
        response: AdminCharts = {"points": [cast("MinutePoint", asdict(minute)) for minute in minutes]}
        return jsonify(response)


def _worker(state: WorkerState) -> AdminWorker:
    record: dict[str, Any] = {name: value for name, value in asdict(state.record).items() if name not in HIDDEN}
    response: LiveWorker = cast("LiveWorker", record)
    return {
        **response,
        "running": dict(state.lease_left_s),
        "seen_s_ago": state.seen_s_ago,
        "real_time_factor": state.real_time_factor,
    }


OPERATIONS = [
    Operation("GET", "/admin/api/workers", "listWorkers", "The live workers", {200: AdminWorkers}),
    Operation(
        "POST",
        "/admin/api/workers/<path:worker>/drain",
        "drainWorker",
        "Let a worker claim nothing more; what it runs it finishes",
        {200: WorkerDrain},
    ),
    Operation(
        "POST", "/admin/api/workers/<path:worker>/undrain", "undrainWorker", "Let it claim again", {200: WorkerDrain}
    ),
    Operation("GET", "/admin/api/queue", "getQueue", "What waits and runs", {200: AdminQueue}),
    Operation(
        "GET",
        "/admin/api/charts",
        "getCharts",
        "The last hour, minute by minute",
        {200: AdminCharts},
        query={"model": {"type": "string", "description": "of that model alone"}},
    ),
]
