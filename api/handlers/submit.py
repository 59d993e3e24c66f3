"""How every dialect hands a request to the core: under the account of its key, with its Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Response, after_this_request, current_app, g, request

from api.auth.context import current_account, current_bound, current_key_id
from api.auth.keys import Allowance
from api.auth.rate_limits import Limits
from api.http.request_body import read_idempotency_key, replay_header
from api.services.batch_service import MANY, Submitter
from api.services.job_service import JobService, TaskState
from api.services.submission import NO_FILES, Files
from api.services.task_state import BatchView
from shared.errors import FieldError, InvalidRequest


def submit(job_service: JobService, fields: Mapping[str, Any], *, source: str, files: Files = NO_FILES) -> TaskState:
    """Raises what `JobService.submit` raises, and InvalidRequest for a bad Idempotency-Key.

    A replay is told by a header.
    """
    key = read_idempotency_key(request)
    view = job_service.submit(
        fields,
        files=files,
        account=current_account(),
        source=source,
        idempotency_key=key,
        concurrent=current_bound(),
        key_id=current_key_id(),
    )
    _tell_replay(view.replayed)
    return view


def retry(job_service: JobService, task_id: str) -> TaskState:
    """Raises what `JobService.retry` raises, and InvalidRequest for a bad Idempotency-Key.

    A replay is told by a header.
    """
    view = job_service.retry(task_id, current_account(), read_idempotency_key(request), current_key_id())
    _tell_replay(view.replayed)
    return view


def submit_batch(job_service: JobService, requests: Sequence[Mapping[str, Any]], *, source: str) -> BatchView:
    """Many at once. Raises as `BatchService.submit`, and InvalidRequest for a bad Idempotency-Key."""
    view = job_service.batches.submit(requests, _sender(source, MANY))
    _tell_replay(view.replayed)
    return view


def submit_variations(
    job_service: JobService, fields: Mapping[str, Any], *, source: str, files: Files = NO_FILES
) -> BatchView:
    """One several times. Raises as `submit_batch`."""
    view = job_service.batches.vary(fields, _sender(source, "variations"), files)
    _tell_replay(view.replayed)
    return view


def submit_composition(job_service: JobService, fields: Mapping[str, Any], *, source: str) -> TaskState:
    """A piece for several instruments. Raises as `submit`."""
    view = job_service.compositions.submit(fields, _sender(source, "instruments"))
    _tell_replay(view.replayed)
    return view


def _sender(source: str, field: str) -> Submitter:
    admit, key = partial(_admit, field=field), read_idempotency_key(request)
    return Submitter(admit, field, current_account(), source, key, current_bound(), current_key_id())


def _admit(count: int, *, field: str) -> None:
    """A batch counts as its requests do one by one; the first was counted when the call came. Raises RateLimited."""
    if not g.get("keys_exist"):
        return
    allowance: Allowance = g.allowance
    for most, span in ((allowance.rpm, "minute"), (allowance.rpd, "day")):
        if most is not None and count > most:
            message = f"{count} submissions at once, and this key has {most} a {span}; send fewer"
            raise InvalidRequest([FieldError(field, message, str(count), "BATCH_TOO_LARGE")])
    limits: Limits = current_app.extensions["limits"]
    g.limit_headers = limits.count_submissions(current_account(), allowance, count - 1) or g.limit_headers


def _tell_replay(replayed: bool) -> None:
    @after_this_request
    def _tell(response: Response) -> Response:
        response.headers.update(replay_header(replayed))
        return response
