"""Submit a request for any dialect: under the account of its key, with its Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Response, after_this_request, request

from api.auth.authenticate import current_auth
from api.auth.rate_limits import count_batch
from api.http.request_body import read_idempotency_key, replay_header
from api.services.acceptor import MANY, Submitter, admit_all
from api.services.job_service import JobService, TaskState
from api.services.submission import NO_FILES, Files
from api.services.task_state import BatchState
from shared.errors import FieldError, InvalidRequest


def submit(job_service: JobService, fields: Mapping[str, Any], *, source: str, files: Files = NO_FILES) -> TaskState:
    """Submit one job. Raises what `JobService.submit` raises, and InvalidRequest for a bad Idempotency-Key.

    Whether it is a replay is told by a header, here and in all that follows.
    """
    state = job_service.submit(fields, _submitter(source), files)
    _set_replay_header(state.replayed)
    return state


def retry(job_service: JobService, task_id: str) -> TaskState:
    """Submit an ended job again. Raises as `JobService.retry`, and InvalidRequest for a bad Idempotency-Key."""
    auth = current_auth()
    state = job_service.retry(task_id, auth.account, read_idempotency_key(request), auth.key_id)
    _set_replay_header(state.replayed)
    return state


def submit_batch(job_service: JobService, requests: Sequence[Mapping[str, Any]], *, source: str) -> BatchState:
    """Submit many at once. Raises as `BatchService.submit`, and InvalidRequest for a bad Idempotency-Key."""
    state = job_service.batches.submit(requests, _submitter(source, MANY))
    _set_replay_header(state.replayed)
    return state


def submit_variations(
    job_service: JobService, fields: Mapping[str, Any], *, source: str, files: Files = NO_FILES
) -> BatchState:
    """Submit one request several times. Raises as `submit_batch`."""
    state = job_service.batches.vary(fields, _submitter(source, "variations"), files)
    _set_replay_header(state.replayed)
    return state


def submit_composition(job_service: JobService, fields: Mapping[str, Any], *, source: str) -> TaskState:
    """Submit a piece for several instruments. Raises as `submit`."""
    state = job_service.compositions.submit(fields, _submitter(source, "instruments"))
    _set_replay_header(state.replayed)
    return state


def submit_remix(job_service: JobService, task_id: str, fields: Mapping[str, Any], *, source: str) -> TaskState:
    """Mix a piece again. Raises as `RemixService.submit`, and InvalidRequest for a bad Idempotency-Key."""
    state = job_service.remixes.submit(task_id, fields, _submitter(source))
    _set_replay_header(state.replayed)
    return state


def _submitter(source: str, field: str = "") -> Submitter:
    """Return whose submission this request is. What stands in several entries of `field` is counted at once."""
    key, auth = read_idempotency_key(request), current_auth()
    admit = partial(_admit, field=field) if field else admit_all
    return Submitter(auth.account, source, key, auth.concurrent, auth.key_id, admit, field)


def _admit(count: int, *, field: str) -> None:
    """Count a batch, which must fit into its key's windows at all. Raises InvalidRequest, RateLimited."""
    allowance = current_auth().allowance
    for most, span in ((allowance.rpm, "minute"), (allowance.rpd, "day")):
        if most is not None and count > most:
            message = f"{count} submissions at once, and this key has {most} a {span}; send fewer"
            raise InvalidRequest([FieldError(field, message, str(count), "BATCH_TOO_LARGE")])
    count_batch(count)


def _set_replay_header(replayed: bool) -> None:
    @after_this_request
    def _add(response: Response) -> Response:
        response.headers.update(replay_header(replayed))
        return response
