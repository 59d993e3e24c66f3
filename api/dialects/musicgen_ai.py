"""The Music Gen AI API under /api/v1: generate, generate/<id>, models, health. Errors as in the native API.

What it promises beyond one clip (multi-instrument pieces, the WebSocket) is not served yet, and says so with a 501.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.account import current_account
from api.body import read_body
from api.core import Core, View
from api.dialects.reading import Body, Number, Refused, Whole, is_missing, read_as
from api.errors import Dialect
from api.links import absolute, audio_url, result_of
from api.submitting import submit
from shared.errors import NotServed, OstinatoError
from shared.job import Status
from shared.settings import Settings

PREFIX = "/api/v1"
SOURCE = "musicgen_ai"
MOST_REQUESTS = 100
QUALITY = {"300M": "good", "1.5B": "better", "3.3B": "best", "tiny": "draft"}


class GenerateBody(Body):
    prompt: Annotated[str, Field(min_length=1, description="What to hear")]
    duration: Number = Field(30.0, gt=0, description="Seconds of music")
    temperature: Number = Field(1.0, ge=0, le=2)
    top_k: Whole = Field(250, ge=0)
    top_p: Number = Field(0.0, ge=0, le=1)
    model: str | None = Field(None, description="One of GET /models")
    guidance_scale: Number = Field(3.0, ge=0, le=20)
    seed: Whole | None = Field(None, ge=0)
    output_format: str = "wav"

    def as_fields(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"Unknown field: {field}"
    if field == "prompt":
        return "Prompt cannot be empty" if is_missing(detail) else "Prompt must be a string"
    found = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"{field}: {found} (got {repr(detail['input'])[:60]})"


def blueprint(core: Core, settings: Settings) -> Blueprint:
    bp = Blueprint("musicgen_ai", __name__, url_prefix=PREFIX)

    @bp.post("/generate")
    def generate() -> tuple[Response, int]:
        body = read_as(GenerateBody, read_body(request).fields, sentence)
        view = submit(core, body.as_fields(), source=SOURCE)
        return jsonify(accepted(view)), 202

    @bp.get("/generate/<task_id>")
    def status(task_id: str) -> Response:
        return jsonify(state(core, settings, core.get(task_id, current_account())))

    @bp.get("/models")
    def models() -> Response:
        served = {p.model for p in core.workers()} | core.promised()
        listed = [
            {
                "name": model.name if model.size in ("tiny", "custom") else f"musicgen-{model.name}",
                "size": model.size,
                "quality": QUALITY.get(model.size, "custom"),
                "available": model.name in served,
            }
            for model in core.models()
        ]
        return jsonify(models=listed)

    @bp.post("/multi-instrument")
    @bp.get("/ws/stream", endpoint="stream")
    def not_yet() -> Response:
        raise NotServed(f"{request.path} is not served by this version; POST {PREFIX}/generate makes one clip")

    return bp


def accepted(view: View) -> dict[str, Any]:
    return {"task_id": view.job.id, "status": "processing", "eta": eta_s(view)}


def eta_s(view: View) -> int | None:
    """Whole seconds until the end; None while nobody can tell."""
    seconds = view.eta_s
    return None if seconds is None else max(0, round(seconds))


def state(core: Core, settings: Settings, view: View) -> dict[str, Any]:
    """One task. `audio_url` is absolute."""
    job = view.job
    if job.status is Status.COMPLETED:
        result = result_of(view)
        return {
            "task_id": job.id,
            "status": "completed",
            "audio_url": absolute(settings, audio_url(core, view, f"/tasks/{job.id}/audio")),
            "duration": result.duration_s,
            "metadata": {
                "prompt": job.request.prompt,
                "model": job.model,
                "seed": job.seed,
                "format": job.request.output_format,
                "sample_rate": result.sample_rate_hz,
                "channels": result.channels,
                "bytes": result.bytes,
                "generation_time": result.generation_time_s,
                "warnings": list(result.warnings),
            },
        }
    if job.status.ended:
        return {"task_id": job.id, "status": job.status.value} | _why(view)
    return accepted(view) | {"progress": job.progress()}


def _why(view: View) -> dict[str, Any]:
    error = view.job.error
    return {} if error is None else {"error": error.as_dict()}


def render_error(error: OstinatoError, status: int) -> dict[str, Any]:
    details = error.details
    if isinstance(error, Refused) and [e.message for e in error.errors] == ["Prompt cannot be empty"]:
        details = {}  # as the document shows it
    return {"error": {"code": error.code, "message": error.message, "details": details}}


DIALECT = Dialect(paths=("/api/v1/",), render_error=render_error)
