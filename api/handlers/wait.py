"""Respond synchronously: wait, bounded, for a job that was submitted like any other. Knows no dialect.

The wait costs one read every fraction of a second; under gevent other requests go on meanwhile.
"""

from __future__ import annotations

import time

from flask import current_app, request

from api.auth.authenticate import expect_valid_key
from api.auth.stream_limits import open_wait
from api.http.request_state import request_state
from api.services.job_service import JobService, TaskState
from shared.errors import OstinatoError
from shared.jobs.job import Status
from shared.retry import Backoff, retry_until
from shared.settings import Settings

POLL = Backoff(first_s=0.05, most_s=0.5, factor=1.3)
# gunicorn's own --timeout. Its sync worker is killed in the middle of a request that takes longer, and the caller gets
# an HTML 500; the other kinds of worker have no such limit for a single request.
SYNC_WORKER_TIMEOUT_S = 30.0
SHARE_OF_TIMEOUT = 0.9  # the rest is for the response itself


def longest_wait_s(settings: Settings) -> float:
    """Return how many seconds the current request may still wait, before the server gives up on its response.

    What it spent on an upload counts. GUNICORN_TIMEOUT decides, and also gunicorn's default where the server runs
    without `stack/gunicorn.conf.py`.
    """
    timeout_s = settings.gunicorn_timeout
    if is_sync_worker():
        timeout_s = min(timeout_s, SYNC_WORKER_TIMEOUT_S)
    spent_s = time.monotonic() - request_state().arrived_at
    return max(0.0, SHARE_OF_TIMEOUT * timeout_s - spent_s)


def is_sync_worker() -> bool:
    """Return whether this is gunicorn's sync worker; its others all say that they serve several requests at once."""
    environ = request.environ
    return str(environ.get("SERVER_SOFTWARE", "")).startswith("gunicorn") and not environ.get("wsgi.multithread")


class StillRunning(OstinatoError):
    """Say that the wait is over and the job is not. It goes on; `details` name it."""

    code = "STILL_RUNNING"

    def __init__(self, task_id: str, waited_s: float) -> None:
        super().__init__(
            f"not finished after {waited_s:.0f} s; the task goes on, poll GET /tasks/{task_id}",
            details={"task_id": task_id},
        )


class JobFailed(OstinatoError):
    """Say that the job ended without audio. `code`, message and details are those of the job's own error."""

    def __init__(self, state: TaskState) -> None:
        error = state.job.error
        details = dict(error.details) if error else {}
        message = error.message if error else f"task {state.job.id} was cancelled"
        super().__init__(message, details=details | {"task_id": state.job.id})
        self.code = error.code if error else "CANCELLED"


def poll_until_ended(job_service: JobService, state: TaskState, timeout_s: float) -> TaskState:
    """Return the job as it stands at its end, or at the end of the wait.

    Raises Unauthorized when the key of this request was disabled meanwhile, soon after that.
    """
    if state.job.status.ended:
        return state
    deadline = time.monotonic() + timeout_s
    with open_wait() as opened:
        state = retry_until(
            deadline,
            lambda: job_service.get(state.job.id, state.job.account),
            is_done=lambda newest: newest.job.status.ended or opened.revoked,
            backoff=POLL,
        )
    expect_valid_key(current_app.extensions["keys"])
    return state


def await_audio(job_service: JobService, state: TaskState, timeout_s: float) -> TaskState:
    """Wait for a job, and return it completed.

    Raises JobFailed when it ends otherwise, StillRunning when it does not end in time, and Unauthorized when the key of
    this request was disabled meanwhile.
    """
    state = poll_until_ended(job_service, state, timeout_s)
    if not state.job.status.ended:
        raise StillRunning(state.job.id, timeout_s)
    if state.job.status is not Status.COMPLETED:
        raise JobFailed(state)
    return state
