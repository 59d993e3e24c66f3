"""Serve GET /tasks/<id>/events: a job's life as Server-Sent Events. Owns their names, not where they come from.

Events: queued (again whenever the position changes), started, progress, requeued, and at the end completed, failed or
cancelled with the response of GET /tasks/<id>; gone, when the record was purged or expired meanwhile. What stands
in the job's log carries its id there, so a reader that comes back with Last-Event-ID misses nothing and hears nothing
twice. A position is the state of the moment and has no id.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

from flask import Blueprint, Response, request, stream_with_context

from api.auth.authenticate import current_auth
from api.auth.stream_limits import OpenRequest, open_stream
from api.http.connection_close import close_after
from api.openapi.event_schemas import (
    EVENTS,
    GoneData,
    ProgressData,
    QueuedData,
    RequeuedData,
    RequeueReason,
    StartedData,
)
from api.openapi.operations import Media, Operation, Section
from api.openapi.schemas import NativeError
from api.routes.tasks import from_job
from api.services.job_service import JobService, TaskState
from api.streaming.event_hub import EventHub, Notice, Outlook, Over, Silence
from shared.errors import BrokerUnavailable, FieldError, InvalidRequest, NotFound
from shared.jobs.event_log import START, Entry, EventLog, is_id
from shared.jobs.job import Stage, Status

HEARTBEAT_S = 15.0
READS_AT_ONCE = 8  # hundreds of streams may open or end together: each read takes a connection
RETRY_MS = 2000  # after how long a browser comes back
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def blueprint(
    job_service: JobService, log: EventLog, event_hub: EventHub, *, heartbeat_s: float = HEARTBEAT_S
) -> Blueprint:
    bp = Blueprint("events", __name__)
    reads = threading.Semaphore(READS_AT_ONCE)

    @bp.get("/tasks/<task_id>/events")
    def events(task_id: str) -> Response:
        after = _last_event_id()
        with reads:
            state = job_service.get(task_id, current_auth().account)
            backlog = log.since(task_id, after)
        if state.job.status.ended and not backlog and after != START:
            return Response(status=204)  # it has heard everything: a browser that gets this stays away
        job_events = JobEvents(job_service, state, reads)
        response = Response(content_type="text/event-stream", headers=HEADERS)
        stream = _stream(event_hub, job_events, backlog, after, heartbeat_s, open_stream(response))
        response.response = stream_with_context(stream)
        close_after(request.environ)
        return response

    return bp


def outlooks(job_service: JobService, job_ids: Sequence[str]) -> dict[str, Outlook | None]:
    """Return the state of waiting jobs as the event hub takes it."""
    states = job_service.queued_states(job_ids).items()
    return {job_id: at and Outlook(at[0].status, at[0].position, at[1]) for job_id, at in states}


def _last_event_id() -> str:
    """Return the header, which a browser sends by itself, or the query, for whoever cannot set one."""
    sent = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or START
    if not is_id(sent):
        message = "is not the id of an event; send one as it came, or leave it out to hear everything"
        raise InvalidRequest([FieldError("last_event_id", message, repr(sent)[:80])])
    return sent


def _stream(
    event_hub: EventHub,
    job_events: JobEvents,
    backlog: list[Entry],
    after: str,
    heartbeat_s: float,
    opened: OpenRequest,
) -> Iterator[str]:
    with suppress(BrokerUnavailable):  # while the end was looked up: the reader comes back for it
        yield f"retry: {RETRY_MS}\n\n" + job_events.first(backlog)
        if job_events.over:
            return
        after = backlog[-1].id if backlog else after
        for notices in event_hub.subscribe(
            job_events.job_id, after, silence_s=heartbeat_s, is_left=lambda: opened.revoked
        ):
            if opened.revoked:
                return  # the last event links the audio
            if text := job_events.text(notices):
                yield text
            if job_events.over:
                return


class JobEvents:
    """Hold what one reader has been sent of a job, and make the text of what comes next."""

    def __init__(self, job_service: JobService, state: TaskState, reads: threading.Semaphore) -> None:
        self._job_service = job_service
        self._reads = reads
        self._state = state
        self._outlook = Outlook(state.job.status, state.position, state.eta_s)
        self._waits = state.job.status is Status.QUEUED
        self._position: int | None = None
        self._started_at = state.job.started_at or 0.0
        self.over = False

    @property
    def job_id(self) -> str:
        return self._state.job.id

    def first(self, backlog: Iterable[Entry]) -> str:
        """Return what the log holds, then how the job stands now."""
        text = self.text(backlog) + self._render(self._outlook)
        if self._state.job.status.ended and not self.over:
            text += self._end(self._state)  # a record from before there were logs
        return text

    def text(self, notices: Iterable[Notice]) -> str:
        """Raises BrokerUnavailable when the end's task cannot be read now."""
        return "".join(self._render(notice) for notice in notices if not self.over)

    def _render(self, notice: Notice) -> str:
        match notice:
            case Entry():
                return self._read_end(notice.id) if notice.ends else self._entry(notice)
            case Outlook():
                return self._moved(notice)
            case Over():
                return self._gone() if notice.gone else self._read_end()
            case Silence():
                return ": nothing new\n\n"

    def _entry(self, entry: Entry) -> str:
        match entry.type:
            case "queued":
                return self._queued(entry)
            case "started":
                self._waits, self._started_at = False, entry.at
                started: StartedData = {"task_id": self.job_id, "at": entry.at, "attempt": entry.number("attempt")}
                return _event("started", started, entry.id)
            case "progress":
                return _event("progress", self._progress(entry), entry.id)
            case "requeued":
                return self._requeued(entry)
            case _:
                return _event(entry.type, {"task_id": self.job_id, "at": entry.at}, entry.id)

    def _queued(self, entry: Entry) -> str:
        self._waits, self._position = True, self._outlook.position
        queued: QueuedData = {
            "task_id": self.job_id,
            "at": entry.at,
            "position": self._outlook.position,
            "eta_s": self._outlook.eta_s,
        }
        return _event("queued", queued, entry.id)

    def _requeued(self, entry: Entry) -> str:
        self._waits, self._position = True, None
        requeued: RequeuedData = {
            "task_id": self.job_id,
            "at": entry.at,
            "reason": cast(RequeueReason, entry.fields.get("reason")),
            "code": entry.fields.get("code"),
        }
        return _event("requeued", requeued, entry.id)

    def _progress(self, entry: Entry) -> ProgressData:
        step, steps = entry.number("step"), entry.number("steps")
        left_s = (entry.at - self._started_at) * (steps - step) / step if step and self._started_at else None
        return {
            "task_id": self.job_id,
            "at": entry.at,
            "percent": round(99.0 * step / steps, 1) if steps else 0.0,
            "step": step,
            "steps": steps,
            "stage": entry.fields.get("stage", Stage.RUNNING.value),
            "eta_s": None if left_s is None else round(left_s, 1),
        }

    def _moved(self, outlook: Outlook) -> str:
        """Write an outlook, which may be older than the entries before it: only a job that waits has a position."""
        if not self._waits or outlook.position is None or outlook.position == self._position:
            return ""
        self._position = outlook.position
        queued: QueuedData = {"task_id": self.job_id, "position": outlook.position, "eta_s": outlook.eta_s}
        return _event("queued", queued)

    def _read_end(self, entry_id: str | None = None) -> str:
        try:
            with self._reads:
                state = self._job_service.get(self.job_id, self._state.job.account)
        except NotFound:
            return self._gone()
        return self._end(state, entry_id)

    def _end(self, state: TaskState, entry_id: str | None = None) -> str:
        self.over = True
        if not state.job.status.ended:  # only the reading failed: whoever comes again goes on where this ends
            return ""
        return _event(state.job.status.value, from_job(self._job_service, state), entry_id)

    def _gone(self) -> str:
        self.over = True
        gone: GoneData = {"task_id": self.job_id, "message": "the task was purged, or its retention time is over"}
        return _event("gone", gone)


def _event(name: str, data: Mapping[str, object], entry_id: str | None = None) -> str:
    head = f"id: {entry_id}\n" if entry_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


EVENT_ID = {"type": "string", "description": "The last event heard: what came after it is sent"}
SECTION = Section(
    "events",
    "A task's life as it happens: Server-Sent Events named queued, started, progress, requeued, completed, failed, "
    "cancelled and gone; the data of each is JSON.",
    [
        Operation(
            "GET",
            "/tasks/<task_id>/events",
            "streamTaskEvents",
            "Follow a task until it ends",
            {
                200: Media("The events, until the task has ended", ("text/event-stream",), EVENTS),
                204: Media("All of it was heard before"),
            },
            query={"last_event_id": EVENT_ID},
            headers={"Last-Event-ID": EVENT_ID},
        )
    ],
    NativeError,
)
