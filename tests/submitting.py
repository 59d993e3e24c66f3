"""Submit one job to a store, past the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.digests import request_digest
from shared.jobs.idempotency import IdempotencyRecord
from shared.jobs.job import Fingerprint, Job, Result, new_id
from shared.jobs.store import JobStore
from shared.jobs.tickets import Ticket
from shared.music.request import MusicRequest


def submit_job(
    store: JobStore,
    request: MusicRequest,
    model: str,
    *,
    account: str = "local",
    source: str = "tasks",
    job_id: str | None = None,
    webhook: str | None = None,
    idempotency_key: str | None = None,
    fingerprint: Fingerprint | None = None,
    ticket: Ticket | None = None,
    concurrent: int | None = None,
    is_kept: Callable[[Result], bool] | None = None,
    after: Iterable[str] = (),
    made_from: Sequence[str] = (),
) -> Job:
    """Return the job that stands for it: an earlier one's, when the idempotency key was used for the same."""
    job = Job(job_id or new_id(), model, request, account, source, webhook=webhook, after=tuple(after))
    record = IdempotencyRecord(idempotency_key, request_digest(request, webhook)) if idempotency_key else None
    context = SubmitContext(account, source, record, concurrent, is_kept)
    accepted = store.accept([NewJob.of(job, fingerprint, ticket, made_from)], context)
    return (accepted.snapshot or store.reader.snapshot(accepted.id)).job
