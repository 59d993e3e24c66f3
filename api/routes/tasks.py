"""Serve the native API's /tasks: submit (as JSON, or as a form with files), poll, cancel, list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, WithJsonSchema

from api.auth.authenticate import current_auth
from api.handlers.audio_urls import audio_url, listed_url, own
from api.handlers.long_poll import HEADERS as WAIT_HEADERS
from api.handlers.long_poll import QUERY as WAIT
from api.handlers.long_poll import LongPolls
from api.handlers.submit import submit, submit_variations
from api.handlers.task_overrides import overrides_of
from api.http.body_limits import AUDIO_FIELDS, SINGLE_WITH_AUDIO
from api.http.query import read_number, read_text, read_word
from api.http.request_body import read_body
from api.openapi.operations import AUDIO_FILE, Operation, Section, integer
from api.openapi.schemas import AudioUri, NativeError, PollError, PurgedTask, SubmittedBatch, SubmittedTask, TaskPage
from api.routes.audio import OPERATION as AUDIO
from api.services.batch_request import VARIATIONS, single_clip
from api.services.job_service import JobService, TaskState
from api.services.task_state import BatchState, Item, PartState
from shared.errors import OstinatoError
from shared.jobs.job import Job, Status
from shared.jobs.kept_tasks import SEARCHED_AT_MOST
from shared.jobs.response_schemas import BatchResponse, GoneTask, PartResponse, TaskResponse
from shared.jobs.search_text import search_words
from shared.jobs.task_response import add_parts, part_response, task_response
from shared.music.audio_refs import BeginningRef
from shared.music.request import MusicRequest
from shared.music.request_fields import Integer
from shared.webhooks.subscription import FIELDS as WEBHOOK_FIELDS

PAGE_AT_MOST = 100
QUERY_CHARACTERS = 200
WebhookEvent = Literal["started", "completed", "failed", "cancelled"]


def blueprint(job_service: JobService, long_polls: LongPolls) -> Blueprint:
    bp = Blueprint("tasks", __name__)

    @bp.post("/tasks")
    def create() -> tuple[Response, int, dict[str, str]]:
        body = read_body(request, file_fields=AUDIO_FIELDS, limits=SINGLE_WITH_AUDIO)
        how: dict[str, Any] = {"source": "tasks", "files": body.files}
        single = single_clip(body.fields)
        response: SubmittedTask | SubmittedBatch
        if single is None:
            batch = submit_variations(job_service, body.fields, **how)
            response = {"kind": "batch", **from_batch(job_service, batch)}
        else:
            response = {"kind": "task", **from_job(job_service, submit(job_service, single, **how))}
        return jsonify(response), 202, {"Location": response["status_url"]}

    @bp.get("/tasks")
    def recent() -> Response:
        limit, offset = read_number("limit", 20, 1, PAGE_AT_MOST), read_number("offset", 0, 0, 10**9)
        words = search_words(read_text("q", QUERY_CHARACTERS))
        listed: dict[str, Any] = {"limit": limit, "offset": offset, "account": current_auth().account}
        listed["favourites"] = read_word("favourite", ("true", "false")) == "true"
        searched = job_service.search(words, **listed) if words else None
        states, total = searched[:2] if searched else job_service.recent(**listed)
        tasks = [from_job(job_service, state, listed=True) for state in states]
        page: TaskPage = {"tasks": tasks, "total": total, "limit": limit, "offset": offset}
        if searched:
            page["searched"] = searched.searched
        return jsonify(page)

    @bp.get("/tasks/<task_id>")
    def status(task_id: str) -> Response:
        return long_polls.add_headers(polled(job_service, long_polls.state(task_id)))

    @bp.delete("/tasks/<task_id>")
    def cancel(task_id: str) -> Response:
        if read_number("purge", 0, 0, 1):
            job_service.purge(task_id, current_auth().account)
            purged: PurgedTask = {"task_id": task_id, "purged": True}
            return jsonify(purged)
        return jsonify(from_job(job_service, job_service.cancel(task_id, current_auth().account)))

    return bp


def polled(job_service: JobService, state: TaskState) -> Response:
    """Return the response to a poll. While the task goes on, it is rendered once for all who see the same state."""
    if state.job.status.ended or state.job.composition is not None:
        return jsonify(from_job(job_service, state))  # with links that are counted, or with parts
    auth = current_auth()
    asks = (request.script_root, auth.grant, auth.link_expires_at)  # what its links depend on
    body = state.bodies.get(asks)
    if body is None:
        body = state.bodies[asks] = jsonify(from_job(job_service, state)).get_data()
    return Response(body, content_type="application/json")


def from_job(job_service: JobService, state: TaskState, *, listed: bool = False) -> TaskResponse:
    """Return the response for a task; `listed`: as one of many, whose audio may never be fetched."""
    job = state.job
    link = None if job.result is None else _link(job_service, job, listed=listed)
    base = request.script_root
    response = task_response(job, state.now, base=base, audio_url=link, position=state.position, eta_s=state.eta_s)
    if job.composition is not None:
        add_parts(response, job, [from_part(job_service, part) for part in state.parts])
    if not job.status.ended:
        response["events_url"] = base + own(f"/tasks/{job.id}/events")
        if job.request.stream:
            response["stream_url"] = base + own(f"/tasks/{job.id}/stream")
    if job.status is Status.CANCELLED and (overrides := overrides_of(job)) is not None:
        overrides.change_cancelled(response)
    return response


def from_part(job_service: JobService, part: PartState) -> PartResponse:
    job = part.state.job if part.state else None
    link = _link(job_service, job, listed=True) if job is not None and job.result is not None else None
    return part_response(part.name, part.task_id, job, link)


def _link(job_service: JobService, job: Job, *, listed: bool) -> str:
    if (overrides := overrides_of(job)) is not None:
        return own(overrides.audio_path(job))
    return (listed_url if listed else audio_url)(job_service, job, f"/tasks/{job.id}/audio")


def from_batch(job_service: JobService, state: BatchState) -> BatchResponse:
    """Return the response for a batch, its tasks in the order of the requests."""
    tasks = [_from_item(job_service, item) for item in state.items]
    return {
        "batch_id": state.batch.id,
        "status": state.status,
        "counts": state.counts,
        "total": len(tasks),
        "progress": state.progress,
        "eta_s": state.eta_s,
        "created_at": state.batch.created_at,
        "status_url": f"{request.script_root}/tasks/batch/{state.batch.id}",
        "tasks": tasks,
    }


def _from_item(job_service: JobService, item: Item) -> TaskResponse | GoneTask:
    """Return one task of a batch; of one whose record is gone, only how it ended."""
    if item.state:
        return from_job(job_service, item.state, listed=True)
    return {"task_id": item.job_id, "status": item.status, "gone": True}


def render_error(error: OstinatoError, status: int) -> NativeError:
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


def render_poll_error(error: OstinatoError, status: int) -> PollError:
    """Return a refused poll in the fields of a failed task, which is what a poller reads.

    An unknown task has ended, for a poller that only reads `status`.
    """
    response: PollError = {"error": error.message, "error_code": error.code, "error_details": error.details}
    if status == 404:
        response["status"] = "failed"
    return response


class ClipBody(MusicRequest):
    """Describe what a request of a batch has: the core reads its own fields and the webhook's apart."""

    melody: AudioUri | None = Field(None, description="a recording to follow")
    continue_audio: AudioUri | None = Field(None, description="a recording that it begins with")
    # described as it is sent; the submission parser makes a reference of it
    continue_from: Annotated[BeginningRef | None, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})] = (
        Field(None, description="the id of an earlier task, whose audio it begins with")
    )
    model: str = Field("", description="one of GET /models; left out, the default")
    webhook_url: str | None = Field(None, description=WEBHOOK_FIELDS["webhook_url"])
    webhook_events: list[WebhookEvent] | None = Field(None, min_length=1, description=WEBHOOK_FIELDS["webhook_events"])


class TaskBody(ClipBody):
    """Describe what POST /tasks takes."""

    variations: Integer | None = Field(
        None,
        ge=VARIATIONS[0],
        le=VARIATIONS[-1],
        description="so many clips under consecutive seeds: as a batch; 1 is one task",
    )


SEARCH: Mapping[str, Mapping[str, Any]] = {
    "q": {
        "type": "string",
        "maxLength": QUERY_CHARACTERS,
        "description": "Words that title and prompt have, all of them, whatever their case and accents; of an "
        f"account's tasks the newest {SEARCHED_AT_MOST} are searched",
    },
    "favourite": {"type": "string", "enum": ["true", "false"], "description": "true: favourites alone"},
}
SECTION = Section(
    "tasks",
    "The native API.",
    [
        Operation(
            "POST",
            "/tasks",
            "submitTask",
            "Make a clip",
            {202: (SubmittedTask, SubmittedBatch)},
            body=TaskBody,
            example={"prompt": "slow sad piano in A minor", "duration": 8, "seed": 7},
            files=dict.fromkeys(AUDIO_FIELDS, AUDIO_FILE),
            submits=True,
        ),
        Operation(
            "GET",
            "/tasks",
            "listTasks",
            "The latest tasks",
            {200: TaskPage},
            query={"limit": integer(20, 1, PAGE_AT_MOST), "offset": integer(0, 0, 10**9), **SEARCH},
        ),
        Operation(
            "GET",
            "/tasks/<task_id>",
            "getTask",
            "One task, at once or when it has changed",
            {200: TaskResponse},
            query=WAIT,
            response_headers=WAIT_HEADERS,
            error=PollError,
        ),
        Operation(
            "DELETE",
            "/tasks/<task_id>",
            "cancelTask",
            "Cancel a task, or remove all that is kept of it",
            {200: (TaskResponse, PurgedTask)},
            query={"purge": integer(0, 0, 1)},
            failures=(409,),
        ),
        AUDIO,
    ],
    NativeError,
)
