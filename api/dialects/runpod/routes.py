"""Serve RunPod's serverless protocol under /v2/<endpoint>, for a music model: run, runsync, status, cancel, ...

`<endpoint>` names a model, or is an id of RunPod's own (api/dialects/runpod/endpoints.py). Bad input inside a job is a
job that FAILED, with status 200; what stands around it can be a 400. Times in milliseconds.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from api.auth.authenticate import current_auth
from api.dialects.runpod.endpoints import Endpoints
from api.dialects.runpod.job_input import BadEnvelope, RunBody, read_wanted
from api.dialects.runpod.schemas import EndpointHealth, QueuePurged, RunStream
from api.dialects.validation import message_of
from api.handlers.audio_urls import audio_bytes
from api.handlers.submit import retry, submit
from api.handlers.wait import longest_wait_s, poll_until_ended
from api.openapi.operations import Operation, Section
from api.openapi.schemas import TextError
from api.services.job_counts import JobCounter
from api.services.job_service import JobService, TaskState
from shared.dialects.runpod import SOURCE, WORDS, run_state
from shared.dialects.runpod_notes import RunpodNotes
from shared.dialects.runpod_schemas import RunState, RunStatus
from shared.errors import Conflict, InvalidRequest, NotFound, OstinatoError
from shared.jobs.job import Job, Status, new_id
from shared.settings import Settings

PREFIX = "/v2/<endpoint>"
WAIT_MS_LEAST, WAIT_MS_MOST = 1000, 300_000


def blueprint(job_service: JobService, notes: RunpodNotes, job_counter: JobCounter, settings: Settings) -> Blueprint:
    bp = Blueprint("runpod", __name__, url_prefix=PREFIX)
    endpoints = Endpoints(job_service, settings)

    def job_of(endpoint: str, task_id: str) -> TaskState:
        state = job_service.get(task_id, current_auth().account)
        if not endpoints.has_jobs_of(endpoint, state.job.model):
            raise NotFound(f"no job {task_id[:80]!r} on endpoint {endpoint[:80]!r}")
        return state

    def begin(endpoint: str) -> TaskState | RunState:
        """Return the new job, or the state of one that failed before it began."""
        model = endpoints.model_of(endpoint)
        try:
            wanted, remark = read_wanted(model)
            state = submit(job_service, wanted, source=SOURCE)
            notes.remark(state.job.id, remark, endpoints.remark(endpoint, state.job.model))
            return state
        except BadEnvelope:
            raise
        except InvalidRequest as error:
            failed: RunState = {"id": new_id(), "status": "FAILED", "error": message_of(error, {})}
            return notes.refuse(current_auth().account, failed)

    def state_of(state: TaskState) -> RunState:
        job = state.job
        return run_state(job, state.now, lambda: audio_bytes(job_service, state), lambda: notes.remarks(job.id))

    @bp.post("/run")
    def run(endpoint: str) -> Response:
        made = begin(endpoint)
        return jsonify(_brief(made.job) if isinstance(made, TaskState) else made)

    @bp.post("/runsync")
    def runsync(endpoint: str) -> Response:
        wait_s = _wait_ms(settings) / 1000
        made = begin(endpoint)
        if isinstance(made, TaskState):
            made = state_of(poll_until_ended(job_service, made, wait_s))
        return jsonify(made)

    @bp.get("/status/<task_id>")
    @bp.post("/status/<task_id>", endpoint="status_by_post")
    def status(endpoint: str, task_id: str) -> Response:
        refused = notes.refusal(current_auth().account, task_id)
        return jsonify(refused or state_of(job_of(endpoint, task_id)))

    @bp.get("/stream/<task_id>")
    @bp.post("/stream/<task_id>", endpoint="stream_by_post")
    def stream(endpoint: str, task_id: str) -> Response:
        """Return what is new: nothing until the end, then the whole clip as one chunk, and nothing ever after.

        The protocol's clients read on until an ended job has nothing more for them.
        """
        if refused := notes.refusal(current_auth().account, task_id):
            return jsonify(_stream(task_id, refused["status"]))
        state = job_of(endpoint, task_id)
        response = _stream(task_id, WORDS[state.job.status])
        if state.job.status is Status.COMPLETED and not notes.was_handed_out(task_id):
            output = state_of(state)["output"]  # read, and counted, only to be handed out
            if notes.hand_out(task_id):
                response["stream"].append({"metrics": {}, "output": output})
        return jsonify(response)

    @bp.post("/cancel/<task_id>")
    def cancel(endpoint: str, task_id: str) -> Response:
        job_of(endpoint, task_id)
        return jsonify(state_of(job_service.cancel(task_id, current_auth().account)))

    @bp.post("/retry/<task_id>")
    def run_again(endpoint: str, task_id: str) -> Response:
        job = job_of(endpoint, task_id).job
        if job.status not in (Status.FAILED, Status.CANCELLED):
            raise Conflict(f"job {task_id} is {WORDS[job.status]}; only failed and cancelled ones are retried")
        again = retry(job_service, task_id)
        if not again.replayed:
            notes.remark(again.job.id, *notes.remarks(task_id))
        return jsonify(_brief(again.job))

    @bp.post("/purge-queue")
    def purge_queue(endpoint: str) -> Response:
        removed = job_service.cancel_waiting(endpoints.model_of(endpoint).name, current_auth().account)
        response: QueuePurged = {"removed": removed, "status": "completed"}
        return jsonify(response)

    @bp.get("/health")
    def health(endpoint: str) -> Response:
        return jsonify(_health(job_service, job_counter, endpoints.model_of(endpoint).name))

    return bp


def _brief(job: Job) -> RunState:
    """Return a job's state without what it costs to read."""
    return {"id": job.id, "status": WORDS[job.status]}


def _stream(task_id: str, status: RunStatus) -> RunStream:
    """Return the response of a stream that has nothing new."""
    return {"id": task_id, "status": status, "stream": []}


def _wait_ms(settings: Settings) -> float:
    """Return how long a runsync may wait: its `wait` in ms, or the longest that this server allows."""
    longest = min(WAIT_MS_MOST, longest_wait_s(settings) * 1000)
    asked = request.args.get("wait")
    if asked is None:
        return longest
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 9 and WAIT_MS_LEAST <= int(asked) <= WAIT_MS_MOST):
        raise BadEnvelope("wait", f"must be a whole number of milliseconds from {WAIT_MS_LEAST} to {WAIT_MS_MOST}")
    return min(longest, float(asked))


def _health(job_service: JobService, job_counter: JobCounter, model: str) -> EndpointHealth:
    live = [p for p in job_service.model_service.workers() if p.model == model and p.claims]
    counts = job_counter.of(model)
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


def render_error(error: OstinatoError, status: int) -> TextError:
    if status == 401:
        return {"error": "Unauthorized"}
    if status == 429:
        return {"error": f"Rate limit: {error.message}"}
    return {"error": message_of(error, {}) if isinstance(error, InvalidRequest) else error.message}


EXAMPLE = {"input": {"prompt": "warm synthwave", "duration": 10, "seed": 7}}
WAIT = {"wait": {"type": "integer", "minimum": WAIT_MS_LEAST, "maximum": WAIT_MS_MOST}}
SECTION = Section(
    "runpod",
    "RunPod's serverless protocol. An endpoint is a model's name, or an id of RunPod's form.",
    [
        Operation(
            "POST",
            f"{PREFIX}/run",
            "runpodRun",
            "Make a clip",
            {200: RunState},
            body=RunBody,
            example=EXAMPLE,
            submits=True,
        ),
        Operation(
            "POST",
            f"{PREFIX}/runsync",
            "runpodRunSync",
            "Make a clip, and wait for it",
            {200: RunState},
            body=RunBody,
            example=EXAMPLE,
            submits=True,
            query=WAIT,
        ),
        Operation("GET", f"{PREFIX}/status/<task_id>", "runpodGetStatus", "One job", {200: RunState}),
        Operation("POST", f"{PREFIX}/status/<task_id>", "runpodPostStatus", "The same, posted", {200: RunState}),
        Operation("GET", f"{PREFIX}/stream/<task_id>", "runpodGetStream", "Its output", {200: RunStream}),
        Operation("POST", f"{PREFIX}/stream/<task_id>", "runpodPostStream", "The same, posted", {200: RunStream}),
        Operation(
            "POST", f"{PREFIX}/cancel/<task_id>", "runpodCancel", "Cancel a job", {200: RunState}, failures=(409,)
        ),
        Operation(
            "POST",
            f"{PREFIX}/retry/<task_id>",
            "runpodRetry",
            "Run a failed job again",
            {200: RunState},
            submits=True,
            failures=(409, 429),
        ),
        Operation("POST", f"{PREFIX}/purge-queue", "runpodPurgeQueue", "Cancel all that waits", {200: QueuePurged}),
        Operation("GET", f"{PREFIX}/health", "runpodGetHealth", "How the endpoint is", {200: EndpointHealth}),
    ],
    TextError,
)
