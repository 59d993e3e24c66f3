"""Serve the Music Gen AI API under /api/v1: generate, its batches, pieces for several instruments, models, health.

Errors as in the native API. Its WebSocket is websocket.py.
"""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, jsonify, request

from api.auth.authenticate import current_auth
from api.dialects.musicgen_ai.bodies import (
    GenerateBatchBody,
    GenerateBody,
    MultiInstrumentBody,
    MultiInstrumentFields,
    read_batch,
    sentence,
)
from api.dialects.musicgen_ai.responses import accepted, batch_accepted, batch_state, generation_state
from api.dialects.musicgen_ai.schemas import (
    Accepted,
    BatchAccepted,
    Generation,
    GenerationBatch,
    NamedModel,
    NamedModels,
)
from api.dialects.validation import (
    Refused,
    read_as,
    read_sent,
)
from api.handlers.health import HealthCheck
from api.handlers.submit import submit, submit_batch, submit_composition
from api.http.body_limits import BATCH, COMPOSITION
from api.openapi.operations import Operation, Section
from api.openapi.schemas import NativeError
from api.openapi.service_schemas import Health
from api.services.batch_request import LEAST_BATCH, read_requests
from api.services.job_service import JobService
from shared.errors import NotFound, OstinatoError
from shared.music.multi_instrument import EXAMPLE_BODY
from shared.settings import Settings

PREFIX = "/api/v1"
STREAM = "/ws/stream"
HEALTH = f"{PREFIX}/health"
SOURCE = "musicgen_ai"


def blueprint(job_service: JobService, health: HealthCheck, settings: Settings) -> Blueprint:
    bp = Blueprint("musicgen_ai", __name__, url_prefix=PREFIX)

    @bp.post("/generate")
    def generate() -> tuple[Response, int]:
        body = read_as(GenerateBody, read_sent(request).fields, sentence)
        state = submit(job_service, body.as_fields(), source=SOURCE)
        return jsonify(accepted(state)), 202

    @bp.post("/generate/batch")
    def generate_many() -> tuple[Response, int]:
        requests = read_batch(read_requests(read_sent(request, limits=BATCH, example=LEAST_BATCH).fields))
        return jsonify(batch_accepted(submit_batch(job_service, requests, source=SOURCE))), 202

    @bp.get("/generate/batch/<batch_id>")
    def batch_status(batch_id: str) -> Response:
        return jsonify(batch_state(job_service, settings, job_service.batches.get(batch_id, current_auth().account)))

    @bp.get("/generate/<task_id>")
    def status(task_id: str) -> Response:
        try:
            return jsonify(generation_state(job_service, settings, job_service.get(task_id, current_auth().account)))
        except NotFound as unknown:
            with suppress(NotFound):
                return batch_status(task_id)  # a batch's id is a task's for whoever knows only this address
            raise unknown

    @bp.get("/models")
    def models() -> Response:
        served = {p.model for p in job_service.model_service.workers()} | job_service.model_service.promised()
        listed: list[NamedModel] = [
            {
                "name": model.listed_name,
                "size": model.size,
                "quality": model.quality,
                "available": model.name in served,
            }
            for model in job_service.model_service.models()
        ]
        response: NamedModels = {"models": listed}
        return jsonify(response)

    @bp.get("/health")
    def report() -> tuple[Response, int]:
        return health.response()

    @bp.post("/multi-instrument")
    def compose() -> tuple[Response, int]:
        sent = read_sent(request, limits=COMPOSITION, example=EXAMPLE_BODY)
        body = read_as(MultiInstrumentFields, sent.fields, sentence)
        return jsonify(accepted(submit_composition(job_service, body.as_fields(), source=SOURCE))), 202

    return bp


def render_error(error: OstinatoError, status: int) -> NativeError:
    details = error.details
    if isinstance(error, Refused) and [e.message for e in error.errors] == ["Prompt cannot be empty"]:
        details = {}  # as the document shows it
    return {"error": {"code": error.code, "message": error.message, "details": details}}


SECTION = Section(
    "musicgen_ai",
    "The Music Gen AI API; its WebSocket stands under streaming.",
    [
        Operation(
            "POST",
            f"{PREFIX}/generate",
            "musicgenAiGenerate",
            "Make a clip",
            {202: Accepted},
            body=GenerateBody,
            example={"prompt": "Upbeat jazz piano with walking bass", "duration": 30},
            submits=True,
        ),
        Operation(
            "POST",
            f"{PREFIX}/generate/batch",
            "musicgenAiGenerateBatch",
            "Make many clips: all of them are accepted, or none",
            {202: BatchAccepted},
            body=GenerateBatchBody,
            example={
                "requests": [{"prompt": "Piano melody", "duration": 15}, {"prompt": "Guitar solo", "duration": 20}]
            },
            submits=True,
        ),
        Operation(
            "GET",
            f"{PREFIX}/generate/batch/<batch_id>",
            "musicgenAiGetBatch",
            "A batch and its tasks",
            {200: GenerationBatch},
        ),
        Operation(
            "GET",
            f"{PREFIX}/generate/<task_id>",
            "musicgenAiGetTask",
            "One task, or one batch",
            {200: (Generation, GenerationBatch)},
        ),
        Operation("GET", f"{PREFIX}/models", "musicgenAiListModels", "The models", {200: NamedModels}),
        Operation("GET", HEALTH, "musicgenAiGetHealth", "How the service is", {200: Health, 503: Health}),
        Operation(
            "POST",
            f"{PREFIX}/multi-instrument",
            "musicgenAiMultiInstrument",
            "Make a piece for several instruments",
            {202: Accepted},
            body=MultiInstrumentBody,
            example={
                "instruments": {"piano": "Jazz piano comping", "bass": "Walking bass line", "drums": "Swing pattern"},
                "duration": 60,
                "mix_preset": "jazz_club",
            },
            submits=True,
        ),
    ],
    NativeError,
)
