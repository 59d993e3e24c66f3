"""Serve /health, /health/ready and /health/live, which need no key, and /models and /usage."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, current_app, jsonify

from api.auth.authenticate import current_auth
from api.auth.rate_limits import Limits, Usage
from api.handlers.health import HealthCheck
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError
from api.openapi.service_schemas import (
    Health,
    ListedModel,
    Liveness,
    Models,
    ModelVocabulary,
    Readiness,
)
from api.services.job_service import JobService
from shared.music.catalog import Model
from shared.music.vocabulary import Vocabulary
from shared.settings import Settings
from shared.version import VERSION
from shared.workers.registry import WorkerRecord

EXAMPLE_S = 8.0  # the usual duration of a request


def blueprint(job_service: JobService, health: HealthCheck, settings: Settings) -> Blueprint:
    bp = Blueprint("health", __name__)

    @bp.get("/health")
    def report() -> tuple[Response, int]:
        return health.response()

    @bp.get("/health/ready")
    def ready() -> tuple[Response, int]:
        """Tell whether a request sent now would be served: broker, storage, and a worker for the default model."""
        faults = health.faults()
        if "broker" not in faults and (missing := _unserved(job_service)):
            faults["workers"] = missing
        response: Readiness = {"status": "not ready" if faults else "ready", "faults": faults}
        return jsonify(response), 503 if faults else 200

    @bp.get("/health/live")
    def live() -> Response:
        """Say that this process responds at all."""
        response: Liveness = {"status": "alive", "version": VERSION}
        return jsonify(response)

    @bp.get("/usage")
    def usage() -> Response:
        """Tell what the asking account may do, and what it has used of that."""
        counted: Limits = current_app.extensions["limits"]
        auth = current_auth()
        return jsonify(counted.usage(auth.account, auth.allowance))

    @bp.get("/models")
    def models() -> Response:
        service, queues = job_service.model_service, job_service.queues()
        promised = service.promised()
        listed = [
            _listed(
                model,
                [worker for worker in service.workers() if worker.model == model.name],
                queued,
                service.eta_s(model.name, EXAMPLE_S, queued),
                promised=model.name in promised,
            )
            for model in service.models()
            for queued in [queues.get(model.name, 0)]
        ]
        response: Models = {"models": listed, "default": settings.default_model, "aliases": settings.model_aliases}
        return jsonify(response)

    return bp


def _unserved(job_service: JobService) -> str:
    """Say which of the expected models no worker makes music for, and whether one could; empty when all are served."""
    # read now: two API processes must not contradict each other about being ready
    live = job_service.model_service.workers(fresh=True)
    missing = job_service.model_service.expected() - {p.model for p in live if p.claims}
    idle = [p for p in live if p.model in missing]
    because = f" ({len(idle)} there, drained or with a fault: GET /health says which)" if idle else ""
    return f"no live worker for: {', '.join(sorted(missing))}{because}" if missing else ""


def _listed(
    model: Model, workers: Sequence[WorkerRecord], queued: int, eta_s: float | None, *, promised: bool
) -> ListedModel:
    vocabulary = model.vocabulary
    return {
        "name": model.name,
        "size": model.size,
        "quality": model.quality,
        "melody": model.melody,
        "stereo": model.stereo,
        "max_duration": min([model.max_duration_s, *(worker.max_duration_s for worker in workers)]),
        "workers": len(workers),
        "runners": [{"runner": runner, "reason": reason} for runner, reason in _runners(workers)],
        "promised": promised,
        "queued": queued,
        "eta_s": eta_s,
        "licence": model.licence,
        "vocabulary": None if vocabulary is None else _words(vocabulary),
    }


def _runners(workers: Sequence[WorkerRecord]) -> list[tuple[str, str | None]]:
    return list(dict.fromkeys((worker.runner, worker.runner_reason) for worker in workers))


def _words(vocabulary: Vocabulary) -> ModelVocabulary:
    return {
        "summary": vocabulary.summary,
        "instruments": list(vocabulary.instruments),
        "moods": list(vocabulary.moods),
        "genres": list(vocabulary.genres),
        "tempi": list(vocabulary.tempi),
        "keys": list(vocabulary.keys),
        "drums": list(vocabulary.drums),
        "examples": list(vocabulary.examples),
    }


SECTION = Section(
    "service",
    "What is there and whether it works.",
    [
        Operation("GET", "/health", "getHealth", "How the service is", {200: Health, 503: Health}),
        Operation("GET", "/health/ready", "getReadiness", "Whether it would serve", {200: Readiness, 503: Readiness}),
        Operation("GET", "/health/live", "getLiveness", "Whether it responds", {200: Liveness}, alone=True),
        Operation("GET", "/usage", "getUsage", "Limits and their use", {200: Usage}),
        Operation("GET", "/models", "listModels", "The models", {200: Models}),
    ],
    NativeError,
)
