"""Check broker, storage, workers and the machine, for every API that has an address like /health."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable

import psutil
from flask import Response, jsonify

from api.auth.authenticate import may_see_inside
from api.auth.keys import Keys
from api.openapi.service_schemas import Health, LiveWorker, System
from api.services.job_service import JobService
from api.services.ttl_cache import TtlCache
from api.uploads.sandbox.boot_check import missing_layers
from shared.errors import OstinatoError
from shared.settings import Settings
from shared.version import VERSION
from shared.workers.registry import WorkerRecord

log = logging.getLogger(__name__)

STORAGE_AGE_S = 1.0


class HealthCheck:
    """Check what responses need, the store once a second at most: anybody may ask, and a check writes."""

    def __init__(self, job_service: JobService, keys: Keys, settings: Settings) -> None:
        self._job_service = job_service
        self._keys = keys
        self._settings = settings
        self._storage = TtlCache(self._fault_of_storage, STORAGE_AGE_S)
        self._logged = ""

    def response(self) -> tuple[Response, int]:
        """Return the body of GET /health and its status: 503 with a fault. Strangers learn nothing of the inside."""
        faults = self.faults()
        body: Health = {
            "status": "unhealthy" if faults else "healthy",
            "version": VERSION,
            "faults": faults,
            "system": _system(self._settings),
        }
        if "broker" not in faults:
            workers = self._job_service.model_service.workers()
            body["models_loaded"] = sorted({worker.model for worker in workers})
            body["workers"] = [_live_worker(worker) for worker in workers]
            body["queues"] = self._job_service.queues()
            body["running"] = self._job_service.running()
            if may_see_inside(self._keys, self._settings):
                body["decoder_sandbox"] = {"missing": missing_layers()}
        return jsonify(body), 503 if faults else 200

    def faults(self) -> dict[str, str]:
        """Return what is wrong with the parts that every response needs, by part."""
        found = {"broker": _fault_of(self._job_service.check_broker), "storage": self._storage.get()}
        return {part: fault for part, fault in found.items() if fault is not None}

    def _fault_of_storage(self) -> str | None:
        """Return the part of the fault that anybody may read; the log has the rest, each fault once."""
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


def _live_worker(record: WorkerRecord) -> LiveWorker:
    return {
        "worker": record.worker,
        "model": record.model,
        "checkpoint": record.checkpoint,
        "size": record.size,
        "digest": record.digest,
        "engine": record.engine,
        "precision": record.precision,
        "device": record.device,
        "sample_rate_hz": record.sample_rate_hz,
        "channels": record.channels,
        "max_duration_s": record.max_duration_s,
        "melody": record.melody,
        "slots": record.slots,
        "version": record.version,
        "started_at": record.started_at,
        "revision": record.revision,
        "drained": record.drained,
        "runner": record.runner,
        "runner_reason": record.runner_reason,
        "fault": record.fault,
    }


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
