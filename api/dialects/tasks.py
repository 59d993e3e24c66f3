"""The native API: /tasks. Submit (JSON, or a multipart form with a melody), poll, cancel, list, fetch the audio."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api.account import current_account
from api.audio import serve_blob
from api.body import read_body
from api.core import Core, View
from api.dialects.audiocraft_rest import ASYNC_SOURCE
from api.errors import Dialect
from api.links import own
from api.submitting import submit
from shared.answer import audio_name, task_answer
from shared.errors import FieldError, InvalidRequest, NotFound, OstinatoError
from shared.job import Status

PAGE_AT_MOST = 100
# the clients of /generate-async know no other bad end
CANCELLED_AS_FAILED = {
    "status": "failed",
    "error": "the task was cancelled",
    "error_code": "CANCELLED",
    "error_details": {},
}


def blueprint(core: Core) -> Blueprint:
    bp = Blueprint("tasks", __name__)

    @bp.post("/tasks")
    def create() -> tuple[Response, int, dict[str, str]]:
        body = read_body(request, file_fields=("melody",))
        view = submit(core, body.fields, source="tasks", melody=body.files.get("melody"))
        answer = from_job(core, view)
        return jsonify(answer), 202, {"Location": answer["status_url"]}

    @bp.get("/tasks")
    def recent() -> Response:
        limit, offset = _number("limit", 20, 1, PAGE_AT_MOST), _number("offset", 0, 0, 10**9)
        views, total = core.recent(limit=limit, offset=offset, account=current_account())
        return jsonify(tasks=[from_job(core, view) for view in views], total=total, limit=limit, offset=offset)

    @bp.get("/tasks/<task_id>")
    def status(task_id: str) -> Response | tuple[Response, int]:
        try:
            return jsonify(from_job(core, core.get(task_id, current_account())))
        except NotFound as error:
            # a poller that only reads `status` must see an end
            return jsonify(render_error(error, 404) | {"status": "failed"}), 404

    @bp.delete("/tasks/<task_id>")
    def cancel(task_id: str) -> Response:
        if _number("purge", 0, 0, 1):
            core.purge(task_id, current_account())
            return jsonify(task_id=task_id, purged=True)
        return jsonify(from_job(core, core.cancel(task_id, current_account())))

    @bp.get("/tasks/<task_id>/audio")
    def audio(task_id: str) -> AnyResponse:
        result = core.result(task_id, current_account())
        name = f"{task_id}.{result.key.rpartition('.')[2]}"
        link = core.link(result, name)
        return redirect(link) if link else serve_blob(core.storage, result, name)

    return bp


def from_job(core: Core, view: View) -> dict[str, Any]:
    job, result = view.job, view.job.result
    link = core.link(result, audio_name(job)) or own(f"/tasks/{job.id}/audio") if result is not None else None
    base = request.script_root
    answer = task_answer(job, view.now, base=base, audio_url=link, position=view.position, eta_s=view.eta_s)
    return answer | (CANCELLED_AS_FAILED if job.status is Status.CANCELLED and job.source == ASYNC_SOURCE else {})


def render_error(error: OstinatoError, status: int) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


DIALECT = Dialect(paths=("/",), render_error=render_error)


def _number(name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query string. Raises InvalidRequest."""
    value = request.args.get(name, str(default))
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise InvalidRequest([FieldError(name, f"send a whole number from {least} to {most}", repr(value)[:80])])
    return int(value)
