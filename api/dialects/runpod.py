"""RunPod's serverless protocol under /v2/<endpoint>, for a music model: run, runsync, status, cancel, ...

`<endpoint>` names a model; an id of RunPod's own can be made an alias of one (MODEL_ALIASES=9eb182ubs5j0jf=tiny). Bad
input inside a job is a job that FAILED, with status 200; only a body without `input` is a 400. Times in milliseconds.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from pydantic_core import ErrorDetails

from api.account import current_account
from api.body import read_body
from api.core import Core, View
from api.dialects.reading import Body, Number, Whole, is_missing, message_of, read_as
from api.errors import Dialect
from api.links import audio_bytes, result_of
from api.sidenotes import SideNotes
from api.submitting import submit
from api.tally import Tally
from api.waiting import look_until_ended
from shared.errors import Conflict, FieldError, InvalidRequest, NotFound, OstinatoError
from shared.job import Job, Status
from shared.jobstore import new_id
from shared.settings import Settings

SOURCE = "runpod"
WAIT_MS_LEAST, WAIT_MS_MOST = 1000, 300_000
WORDS = {
    Status.QUEUED: "IN_QUEUE",
    Status.RUNNING: "IN_PROGRESS",
    Status.COMPLETED: "COMPLETED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
TIMED_OUT_CODES = ("TIMEOUT", "EXPIRED")
STEPS_WARNING = "num_inference_steps={} has no meaning for MusicGen, which makes one step per 20 ms; it was left out"


class Input(Body):
    prompt: Annotated[str, Field(min_length=1, description="Text description of the music to generate")]
    duration: Number = Field(30.0, ge=1, le=240, description="Length of generated audio in seconds")
    guidance_scale: Number = Field(8.0, ge=1, le=20, description="Adherence to the prompt")
    num_inference_steps: Whole = Field(20, ge=10, le=100, description="Denoising steps, of models that have such")
    seed: Whole | None = Field(None, ge=0, description="For reproducible results")

    def as_fields(self) -> dict[str, Any]:
        return self.model_dump(exclude={"num_inference_steps"}, exclude_none=True)


class Policy(Body):
    """Times in milliseconds."""

    executionTimeout: Whole | None = Field(None, ge=1000)  # noqa: N815 - the protocol's own names
    ttl: Whole | None = Field(None, ge=1000)
    lowPriority: bool = False  # noqa: N815

    def as_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"priority": "low"} if self.lowPriority else {}
        if self.executionTimeout is not None:
            fields["timeout_s"] = self.executionTimeout / 1000
        if self.ttl is not None:
            fields["ttl_s"] = self.ttl / 1000
        return fields


def sentence(field: str, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"Unknown parameter: {field}"
    if field == "prompt":
        return "Invalid prompt: provide a descriptive text prompt" if is_missing(detail) else "Invalid prompt: not text"
    ranges = {
        "duration": "a number from 1.0 to 240.0",
        "guidance_scale": "a number from 1.0 to 20.0",
        "num_inference_steps": "a whole number from 10 to 100",
        "seed": "a whole number from 0 up",
    }
    found = repr(detail["input"])[:60]
    return f"Parameter out of range: {field} must be {ranges.get(field, 'valid')} (got {found})"


def blueprint(core: Core, notes: SideNotes, tally: Tally, settings: Settings) -> Blueprint:
    bp = Blueprint("runpod", __name__, url_prefix="/v2/<endpoint>")

    def begin(endpoint: str) -> View | dict[str, Any]:
        """The new job, or the answer for one that failed before it began."""
        model = _model(core, endpoint)
        try:
            wanted, remark = _wanted(model)
            view = submit(core, wanted, source=SOURCE)
            if remark:
                notes.remark(view.job.id, remark)
            return view
        except _BadInput as error:
            message = error.message
        except _Envelope:
            raise
        except InvalidRequest as error:
            message = message_of(error, {})
        return notes.refuse(current_account(), {"id": new_id(), "status": "FAILED", "error": message})

    def told(view: View) -> dict[str, Any]:
        return state(core, view, notes.remarks(view.job.id))

    @bp.post("/run")
    def run(endpoint: str) -> Response:
        made = begin(endpoint)
        return jsonify(made if isinstance(made, dict) else {"id": made.job.id, "status": WORDS[made.job.status]})

    @bp.post("/runsync")
    def runsync(endpoint: str) -> Response:
        wait_s = _wait_ms(settings) / 1000
        made = begin(endpoint)
        if isinstance(made, dict):
            return jsonify(made)
        return jsonify(told(look_until_ended(core, made, wait_s)))

    @bp.get("/status/<task_id>")
    @bp.post("/status/<task_id>", endpoint="status_by_post")
    def status(endpoint: str, task_id: str) -> Response:
        found = notes.refusal(current_account(), task_id)
        return jsonify(found or told(_job_of(core, endpoint, task_id)))

    @bp.get("/stream/<task_id>")
    @bp.post("/stream/<task_id>", endpoint="stream_by_post")
    def stream(endpoint: str, task_id: str) -> Response:
        """What there is so far: nothing until the end, then the whole clip as one chunk."""
        answer = told(_job_of(core, endpoint, task_id))
        chunks = [{"metrics": {}, "output": answer["output"]}] if "output" in answer else []
        return jsonify({"id": task_id, "status": answer["status"], "stream": chunks})

    @bp.post("/cancel/<task_id>")
    def cancel(endpoint: str, task_id: str) -> Response:
        _job_of(core, endpoint, task_id)
        return jsonify(told(core.cancel(task_id, current_account())))

    @bp.post("/retry/<task_id>")
    def retry(endpoint: str, task_id: str) -> Response:
        job = _job_of(core, endpoint, task_id).job
        if job.status not in (Status.FAILED, Status.CANCELLED):
            raise Conflict(f"job {task_id} is {word(job)}; only failed and cancelled ones are retried")
        again = core.retry(task_id, current_account())
        return jsonify({"id": again.job.id, "status": WORDS[again.job.status]})

    @bp.post("/purge-queue")
    def purge_queue(endpoint: str) -> Response:
        removed = core.cancel_waiting(_model(core, endpoint), current_account())
        return jsonify({"removed": removed, "status": "completed"})

    @bp.get("/health")
    def health(endpoint: str) -> Response:
        return jsonify(_health(core, tally, _model(core, endpoint)))

    return bp


class _BadInput(InvalidRequest):
    """`input` is there and wrong: the job fails, the call does not."""


def _wanted(model: str) -> tuple[dict[str, Any], str]:
    """The core's fields of this request's body, and a remark. Raises _Envelope (a 400), or _BadInput for `input`."""
    body = read_body(request).fields
    if not isinstance(body.get("input"), dict):
        raise _Envelope("input", 'is missing; send {"input": {"prompt": ...}}')
    if unknown := body.keys() - {"input", "webhook", "policy"}:
        raise _Envelope(sorted(unknown)[0][:60], "is not served; send input, webhook and policy only")
    policy = read_as(Policy, body.get("policy") or {}, sentence)
    try:
        wanted = read_as(Input, body["input"], sentence)
    except InvalidRequest as error:
        bad = _BadInput(error.errors)
        bad.message = error.message
        raise bad from None
    fields = wanted.as_fields() | policy.as_fields() | {"model": model}
    if body.get("webhook") is not None:
        fields["webhook_url"] = body["webhook"]
    steps = wanted.num_inference_steps
    return fields, STEPS_WARNING.format(steps) if "num_inference_steps" in wanted.model_fields_set else ""


class _Envelope(InvalidRequest):
    def __init__(self, field: str, message: str) -> None:
        super().__init__([FieldError(field, message)])


def _model(core: Core, endpoint: str) -> str:
    """The model that an endpoint names. Raises NotFound."""
    try:
        return core.model_named(endpoint).name
    except InvalidRequest as error:
        raise NotFound(f"no endpoint {endpoint[:80]!r}; endpoints are model names, see GET /models") from error


def _job_of(core: Core, endpoint: str, task_id: str) -> View:
    view = core.get(task_id, current_account())
    if view.job.model != _model(core, endpoint):
        raise NotFound(f"no job {task_id[:80]!r} on endpoint {endpoint[:80]!r}")
    return view


def _wait_ms(settings: Settings) -> float:
    """How long a runsync may wait: its `wait` in ms, or the longest that this server allows."""
    longest = min(WAIT_MS_MOST, settings.sync_timeout_s * 1000)
    asked = request.args.get("wait")
    if asked is None:
        return longest
    if not asked.isascii() or not asked.isdigit() or not WAIT_MS_LEAST <= int(asked[:9]) <= WAIT_MS_MOST:
        raise _Envelope("wait", f"must be a whole number of milliseconds from {WAIT_MS_LEAST} to {WAIT_MS_MOST}")
    return min(longest, float(asked))


def state(core: Core, view: View, remarks: list[str]) -> dict[str, Any]:
    job = view.job
    answer: dict[str, Any] = {"id": job.id, "status": word(job)}
    if job.started_at is not None:
        answer["delayTime"] = round(job.queue_time_s(view.now) * 1000)
        answer["executionTime"] = round((job.run_time_s(view.now) or 0.0) * 1000)
    if job.worker:
        answer["workerId"] = job.worker
    if job.status is Status.COMPLETED:
        answer["output"] = output(core, view, remarks)
    elif job.status is Status.FAILED and job.error is not None:
        answer["error"] = job.error.message
    return answer


def word(job: Job) -> str:
    if job.status is Status.FAILED and job.error is not None and job.error.code in TIMED_OUT_CODES:
        return "TIMED_OUT"
    return WORDS[job.status]


def output(core: Core, view: View, remarks: list[str]) -> dict[str, Any]:
    job, result = view.job, result_of(view)
    answer = {
        "audio_base64": base64.b64encode(audio_bytes(core, view)).decode(),
        "generation_time": result.generation_time_s,
        "prompt": job.request.prompt,
        "duration": result.duration_s,
        "seed": job.seed,
        "sample_rate": result.sample_rate_hz,
        "success": True,
    }
    warnings = [*remarks, *result.warnings]
    return answer | ({"warnings": warnings} if warnings else {})


def _health(core: Core, tally: Tally, model: str) -> dict[str, Any]:
    live = [p for p in core.workers() if p.model == model]
    counts = tally.of(model)
    busy = min(len(live), counts.running)
    return {
        "jobs": {
            "completed": counts.completed,
            "failed": counts.failed,
            "inProgress": counts.running,
            "inQueue": counts.waiting,
            "retried": counts.retried,
        },
        "workers": {"idle": len(live) - busy, "running": busy},
    }


def render_error(error: OstinatoError, status: int) -> dict[str, Any]:
    if status == 401:
        return {"error": "Unauthorized"}
    return {"error": message_of(error, {}) if isinstance(error, InvalidRequest) else error.message}


DIALECT = Dialect(paths=("/v2/",), render_error=render_error)
