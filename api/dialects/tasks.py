"""The native API: /tasks. Submit (JSON, or a multipart form with a melody), poll, cancel, list, fetch the audio."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from api.audio import serve_blob
from api.body import read_body
from api.core import Core, View
from api.errors import Dialect
from shared.errors import FieldError, InvalidRequest, NotFound, OstinatoError
from shared.job import Status

WORDS = {Status.QUEUED: "processing", Status.RUNNING: "processing"}
PAGE_AT_MOST = 100


def blueprint(core: Core) -> Blueprint:
    bp = Blueprint("tasks", __name__)

    @bp.post("/tasks")
    def submit() -> tuple[Response, int, dict[str, str]]:
        body = read_body(request, file_fields=("melody",))
        answer = from_job(core, core.submit(body.fields, melody=body.files.get("melody")))
        return jsonify(answer), 202, {"Location": answer["status_url"]}

    @bp.get("/tasks")
    def recent() -> Response:
        limit, offset = _number("limit", 20, 1, PAGE_AT_MOST), _number("offset", 0, 0, 10**9)
        views, total = core.recent(limit=limit, offset=offset)
        return jsonify(tasks=[from_job(core, view) for view in views], total=total, limit=limit, offset=offset)

    @bp.get("/tasks/<task_id>")
    def status(task_id: str) -> Response | tuple[Response, int]:
        try:
            return jsonify(from_job(core, core.get(task_id)))
        except NotFound as error:
            # a poller that only reads `status` must see an end
            return jsonify(render_error(error, 404) | {"status": "failed"}), 404

    @bp.delete("/tasks/<task_id>")
    def cancel(task_id: str) -> Response:
        return jsonify(from_job(core, core.cancel(task_id)))

    @bp.get("/tasks/<task_id>/audio")
    def audio(task_id: str) -> AnyResponse:
        result = core.result(task_id)
        name = f"{task_id}.{result.key.rpartition('.')[2]}"
        link = core.link(result, name)
        return redirect(link) if link else serve_blob(core.storage, result, name)

    return bp


def from_job(core: Core, view: View) -> dict[str, Any]:
    """One task as /tasks/<id> tells it. `status` is processing until the end; `stage` tells more."""
    job, now = view.job, view.now
    answer: dict[str, Any] = {
        "task_id": job.id,
        "status": WORDS.get(job.status, job.status.value),
        "stage": job.stage if not job.status.ended else job.status.value,
        "progress": job.progress(),
        "current": job.step,
        "total": job.steps or 1,
        "position": view.position,
        "eta_s": job.eta_s(now),
        "model": job.model,
        "seed": job.seed,
        "prompt": job.request.prompt,
        "output_format": job.request.output_format,
        "client_id": job.request.client_id,
        "attempts": job.attempt,
        "created_at": job.created_at,
        "queue_time": job.queue_time_s(now),
        "run_time": job.run_time_s(now),
        "total_time": job.total_time_s(now),
        "status_url": url_for("tasks.status", task_id=job.id),
    }
    return answer | _ending(core, view)


def _ending(core: Core, view: View) -> dict[str, Any]:
    job, result = view.job, view.job.result
    if result is not None:
        name = f"{job.id}.{result.key.rpartition('.')[2]}"
        outcome = {
            "success": True,
            "filename": name,
            "format": job.request.output_format,
            "duration": result.duration_s,
            "sample_rate": result.sample_rate_hz,
            "channels": result.channels,
            "bytes": result.bytes,
            "sha256": result.sha256,
            "generation_time": result.generation_time_s,
            "fingerprint": result.as_dict()["fingerprint"],
            "warnings": list(result.warnings),
        }
        link = core.link(result, name) or url_for("tasks.audio", task_id=job.id)
        return {**outcome, "audio_url": link, "result": outcome}
    if job.status is Status.FAILED and job.error is not None:
        return {"error": job.error.message, "error_code": job.error.code, "error_details": job.error.details}
    return {}


def render_error(error: OstinatoError, status: int) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


DIALECT = Dialect(paths=("/",), render_error=render_error)


def _number(name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query string. Raises InvalidRequest."""
    value = request.args.get(name, str(default))
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise InvalidRequest([FieldError(name, f"send a whole number from {least} to {most}", repr(value)[:80])])
    return int(value)
