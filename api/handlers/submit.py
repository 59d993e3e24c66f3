"""How every dialect hands a request to the core: under the account of its key, with its Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Response, after_this_request, request

from api.auth.authenticate import current_auth
from api.auth.rate_limits import count_batch
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
    key, auth = read_idempotency_key(request), current_auth()
    view = job_service.submit(
        fields,
        files=files,
        account=auth.account,
        source=source,
        idempotency_key=key,
        concurrent=auth.concurrent,
        key_id=auth.key_id,
    )
    _tell_replay(view.replayed)
    return view


def retry(job_service: JobService, task_id: str) -> TaskState:
    """Raises what `JobService.retry` raises, and InvalidRequest for a bad Idempotency-Key.

    A replay is told by a header.
    """
    auth = current_auth()
    view = job_service.retry(task_id, auth.account, read_idempotency_key(request), auth.key_id)
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
    admit, key, auth = partial(_admit, field=field), read_idempotency_key(request), current_auth()
    return Submitter(admit, field, auth.account, source, key, auth.concurrent, auth.key_id)


def _admit(count: int, *, field: str) -> None:
    """Count a batch, which must fit into its key's windows at all. Raises InvalidRequest, RateLimited."""
    allowance = current_auth().allowance
    for most, span in ((allowance.rpm, "minute"), (allowance.rpd, "day")):
        if most is not None and count > most:
            message = f"{count} submissions at once, and this key has {most} a {span}; send fewer"
            raise InvalidRequest([FieldError(field, message, str(count), "BATCH_TOO_LARGE")])
    count_batch(count)


def _tell_replay(replayed: bool) -> None:
    @after_this_request
    def _tell(response: Response) -> Response:
        response.headers.update(replay_header(replayed))
        return response
