"""/health, /health/ready, /health/live, which need no key, and /models and /usage: what is there, whether it works."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from typing import Any

import psutil
from flask import Blueprint, Response, current_app, jsonify

from api.auth.authenticate import current_auth, may_see_inside
from api.auth.keys import Keys
from api.auth.rate_limits import Limits, Usage
from api.openapi.builder import Operation, Section
from api.openapi.schemas import NativeError
from api.openapi.service_schemas import (
    Addresses,
    Health,
    Index,
    ListedModel,
    Liveness,
    Models,
    Readiness,
    System,
)
from api.services.job_service import JobService
from api.services.ttl_cache import TtlCache
from api.uploads.sandbox.boot_check import missing_layers
from shared.errors import OstinatoError
from shared.music.catalog import Model
from shared.settings import Settings
from shared.version import VERSION

log = logging.getLogger(__name__)

STORAGE_AGE_S = 1.0
ADDRESSES: Addresses = {
    "name": "Ostinato",
    "submit": "POST /tasks",
    "batch": "POST /tasks/batch",
    "poll": "GET /tasks/<task_id>",
    "audio": "GET /tasks/<task_id>/audio",
    "cancel": "DELETE /tasks/<task_id>",
    "models": "GET /models",
    "health": "GET /health",
}


def blueprint(job_service: JobService, keys: Keys, settings: Settings) -> Blueprint:
    bp = Blueprint("health", __name__)

    parts = Parts(job_service)

    @bp.get("/health")
    @bp.get("/api/v1/health", endpoint="health_v1")
    def health() -> tuple[Response, int]:
        faults = parts.faults()
        response: Health = {
            "status": "unhealthy" if faults else "healthy",
            "version": VERSION,
            "faults": faults,
            "system": _system(settings),
        }
        if "broker" not in faults:
            workers = job_service.workers()
            response["models_loaded"] = sorted({p.model for p in workers})
            response["workers"] = [_worker(p.__dict__) for p in workers]
            response["queues"] = job_service.queues()
            response["running"] = job_service.running()
            if may_see_inside(keys, settings):
                response["decoder_sandbox"] = {"missing": missing_layers()}
        return jsonify(response), 503 if faults else 200

    @bp.get("/")
    def index() -> Response:
        """How the service is, in the words of the S.Rocks document, and where everything else is."""
        default = job_service.expected_default()
        device = next((p.device for p in job_service.workers() if p.model == default), "none")
        listed = next((model.listed_name for model in job_service.models() if model.name == default), default)
        response: Index = {
            "status": "unhealthy" if parts.faults() else "healthy",
            "model": listed,
            "device": device,
            "version": VERSION,
            **ADDRESSES,
        }
        return jsonify(response)

    @bp.get("/health/ready")
    def ready() -> tuple[Response, int]:
        """Whether a request sent now would be served: broker, storage, and a worker for the default model."""
        faults = parts.faults()
        if "broker" not in faults and (missing := _unserved(job_service)):
            faults["workers"] = missing
        response: Readiness = {"status": "not ready" if faults else "ready", "faults": faults}
        return jsonify(response), 503 if faults else 200

    @bp.get("/health/live")
    def live() -> Response:
        """Whether this process answers at all."""
        response: Liveness = {"status": "alive", "version": VERSION}
        return jsonify(response)

    @bp.get("/usage")
    def usage() -> Response:
        """What the asking account may do, and what it has used of that."""
        counted: Limits = current_app.extensions["limits"]
        auth = current_auth()
        return jsonify(counted.usage(auth.account, auth.allowance))

    @bp.get("/models")
    def models() -> Response:
        workers = job_service.workers()
        listed = [_listed(model, sum(p.model == model.name for p in workers)) for model in job_service.models()]
        response: Models = {"models": listed, "default": settings.default_model, "aliases": settings.model_aliases}
        return jsonify(response)

    return bp


class Parts:
    """What every answer needs, and what is wrong with it.

    The store is tried once a second at most: anybody may ask, and a try writes.
    """

    def __init__(self, job_service: JobService) -> None:
        self._job_service = job_service
        self._storage = TtlCache(self._fault_of_storage, STORAGE_AGE_S)
        self._logged = ""

    def faults(self) -> dict[str, str]:
        found = {"broker": _fault_of(self._job_service.check_broker), "storage": self._storage.get()}
        return {part: fault for part, fault in found.items() if fault is not None}

    def _fault_of_storage(self) -> str | None:
        """What anybody may read; the log has the rest, each fault once."""
        try:
            self._job_service.storage.check()
        except OstinatoError as error:
            if str(error) != self._logged:
                log.warning("the store: %s", error)
            self._logged = str(error)
            return error.message
        self._logged = ""
        return None


def _fault_of(check: Callable[[], None]) -> str | None:
    try:
        check()
    except OstinatoError as error:
        return error.message
    return None


def _unserved(job_service: JobService) -> str:
    """Say which of the expected models no worker makes music for, and whether one could; empty when all are served."""
    live = job_service.workers(
        fresh=True
    )  # read now: two API processes must not contradict each other about being ready
    missing = job_service.expected() - {p.model for p in live if p.claims}
    idle = [p for p in live if p.model in missing]
    because = f" ({len(idle)} there, drained or with a fault: GET /health says which)" if idle else ""
    return f"no live worker for: {', '.join(sorted(missing))}{because}" if missing else ""


def _listed(model: Model, workers: int) -> ListedModel:
    return {
        "name": model.name,
        "size": model.size,
        "quality": model.quality,
        "melody": model.melody,
        "stereo": model.stereo,
        "max_duration": model.max_duration_s,
        "workers": workers,
    }


def _worker(presence: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in presence.items() if name != "tokenizer"}


def _system(settings: Settings) -> System:
    memory = psutil.virtual_memory()
    folder = settings.local_storage_path if settings.local_storage_path.exists() else "/"
    return {
        "cpu_count": psutil.cpu_count(),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "memory_total_mb": memory.total // 2**20,
        "memory_available_mb": memory.available // 2**20,
        "disk_free_mb": shutil.disk_usage(folder).free // 2**20,
    }


SECTION = Section(
    "service",
    "What is there and whether it works.",
    [
        Operation("GET", "/", "What this is", {200: Index}),
        Operation("GET", "/health", "How the service is", {200: Health, 503: Health}),
        Operation("GET", "/api/v1/health", "How the service is", {200: Health, 503: Health}),
        Operation("GET", "/health/ready", "Whether it would serve", {200: Readiness, 503: Readiness}),
        Operation("GET", "/health/live", "Whether it answers", {200: Liveness}, alone=True),
        Operation("GET", "/usage", "Limits and their use", {200: Usage}),
        Operation("GET", "/models", "The models", {200: Models}),
    ],
    NativeError,
)
