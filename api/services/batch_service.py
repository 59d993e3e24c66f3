"""Batches: many requests accepted in one step, all of them or none, and looked at and cancelled as one.

Each becomes a job like any other. Knows no HTTP; what one request must be is the intake's, the step itself the store's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from api.services.batch_request import expect_room_for_seeds, in_item, read_variations, unbatchable
from api.services.continuation import SentBefore
from api.services.submission import NO_FILES, Files, Submission, SubmissionParser
from api.services.task_state import BatchView, Item, TaskStates
from api.services.worker_directory import WorkerDirectory
from api.uploads.upload_store import Blobs
from shared.errors import (
    Conflict,
    FieldError,
    InvalidRequest,
    ModelNotServed,
    NotFound,
    QueueFull,
)
from shared.field_errors import Faults
from shared.jobs.acceptance import NewJob, draw_seed
from shared.jobs.batch_store import Batch
from shared.jobs.digests import batch_digest, request_digest
from shared.jobs.job import Job
from shared.jobs.store import JobStore, new_id
from shared.jobs.tickets import Tickets

MANY = "requests"  # the field of a batch's own requests


@dataclass(frozen=True)
class Submitter:
    """Whose the batch is, in which `field` they sent it, and what their account may do.

    `admit` is asked once, for so many submissions, and raises RateLimited. At most `concurrent` of the account's jobs
    run at once: 0 is no bound, None leaves it as it is.
    """

    admit: Callable[[int], None]
    field: str
    account: str = "local"
    source: str = "tasks"
    idempotency_key: str | None = None
    concurrent: int | None = None
    key_id: str | None = None


class BatchService:
    """One per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        *,
        store: JobStore,
        tickets: Tickets,
        blobs: Blobs,
        submission_parser: SubmissionParser,
        workers: WorkerDirectory,
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._blobs = blobs
        self._submission_parser = submission_parser
        self._workers = workers
        self._views = TaskStates(workers)

    def submit(self, requests: Sequence[Mapping[str, Any]], sender: Submitter) -> BatchView:
        """Validate all of the requests, then accept all of them.

        Raises InvalidRequest with every bad field of every request, named like requests[3].prompt, and what
        `JobService.submit` raises. Nothing is queued then.
        """
        submissions, faults = [], Faults()
        for index, fields in enumerate(requests):
            plain, alone = unbatchable(fields)
            before = self._sent_before(sender, index)
            try:
                submissions.append(
                    self._submission_parser.parse(
                        plain, NO_FILES, new_id(), sender.account, also=alone, sent_before=before
                    )
                )
            except InvalidRequest as error:
                faults.add(in_item(index, error.errors), error.more)
        if faults:
            raise InvalidRequest(faults.listed, faults.more)
        digest = batch_digest([request_digest(each.request, each.webhook) for each in submissions])
        return self._enter(new_id(), submissions, digest, sender)

    def vary(self, fields: Mapping[str, Any], sender: Submitter, files: Files = NO_FILES) -> BatchView:
        """The same request `variations` times, under consecutive seeds from its own, or from one drawn here.

        Raises as `submit`.
        """
        count, plain, faults = read_variations(fields)
        batch_id = new_id()
        before = self._sent_before(sender)
        asked = self._submission_parser.parse(plain, files, batch_id, sender.account, also=faults, sent_before=before)
        expect_room_for_seeds(asked.request, count)
        digest = batch_digest([request_digest(asked.request, asked.webhook), str(count)])
        first = draw_seed() if asked.request.seed is None else asked.request.seed
        seeded = [asked.request.model_copy(update={"seed": first + n}) for n in range(count)]
        submissions = [replace(asked, request=request) for request in seeded]
        return self._enter(batch_id, submissions, digest, sender)

    def get(self, batch_id: str, account: str = "local") -> BatchView:
        """Raises NotFound, also for another account's batch."""
        batch = self._store.batch_snapshot(batch_id)
        if batch.account != account:
            raise NotFound(f"no batch {batch_id!r}; it never existed or its retention time is over")
        return self._view(batch)

    def cancel(self, batch_id: str, account: str = "local") -> BatchView:
        """End all of its jobs that have not ended: none may be left. Raises NotFound."""
        self.get(batch_id, account)
        return self._view(self._store.cancel_batch(batch_id))

    # accepting

    def _enter(self, batch_id: str, submissions: Sequence[Submission], digest: str, sender: Submitter) -> BatchView:
        key = sender.idempotency_key
        if key is not None:
            before = self._store.batch_before(sender.account, key, digest)
            if before is not None:
                return replace(self._view(before), replayed=True)
        self._expect_served(submissions, sender)
        sender.admit(len(submissions))
        new_jobs = [self._new_job(each, batch_id, sender) for each in submissions]
        with self._uploads_of(submissions, sender):
            batch = self._store.accept_batch(
                batch_id,
                new_jobs,
                account=sender.account,
                source=sender.source,
                idempotency=None if key is None else (key, digest),
                concurrent=sender.concurrent,
                is_kept=self._blobs.is_whole,
            )
        if batch.id != batch_id:
            self._blobs.delete(submissions[0].uploads)
        return replace(self._view(batch), replayed=batch.id != batch_id)

    def _sent_before(self, sender: Submitter, index: int = 0) -> SentBefore:
        return partial(self._store.request_before, sender.account, sender.idempotency_key, index)

    def _expect_served(self, submissions: Sequence[Submission], sender: Submitter) -> None:
        """Raises ModelNotServed that names the first request of such a model, where there are several."""
        choices = {each.choice: index for index, each in reversed(list(enumerate(submissions)))}
        for choice, index in choices.items():
            try:
                self._submission_parser.expect_served(choice)
            except ModelNotServed as error:
                if sender.field == MANY:
                    error.details["field"] = f"{MANY}[{index}].model"
                raise

    def _new_job(self, submission: Submission, batch_id: str, sender: Submitter) -> NewJob:
        model, request = submission.model, submission.request
        job = Job(
            new_id(),
            model,
            request,
            sender.account,
            sender.source,
            webhook=submission.webhook,
            batch=batch_id,
            after=request.awaits,
            key_id=sender.key_id,
        )
        return NewJob.of(job, self._workers.fingerprint(model), self._tickets.write(model))

    @contextmanager
    def _uploads_of(self, submissions: Sequence[Submission], sender: Submitter) -> Iterator[None]:
        """Only variations have any, and all of them the same: stored before, forgotten when they are refused."""
        self._blobs.keep_uploads(submissions[0].uploads)
        try:
            yield
        except Conflict:  # of the key, or with what they were to wait for
            self._blobs.delete(submissions[0].uploads)
            raise
        except QueueFull as full:
            # refused for certain; after any other error the batch may have been accepted
            self._blobs.delete(submissions[0].uploads)
            raise refusal_of(full, sender, self._workers) from None

    # looking

    def _view(self, batch: Batch) -> BatchView:
        items = tuple(
            Item(m.job_id, m.status, self._views.of(m.look.job, m.look.position) if m.look else None)
            for m in batch.members
        )
        return BatchView(batch, items)


def refusal_of(full: QueueFull, sender: Submitter, workers: WorkerDirectory) -> QueueFull | InvalidRequest:
    """When to try again; what no patience can mend is the caller's mistake."""
    if full.needed > full.limit:
        message = (
            f"{full.needed} jobs would wait for the model {full.model!r}, whose queue holds {full.limit} "
            f"(MAX_QUEUE_LENGTH); send fewer {sender.field}"
        )
        return InvalidRequest([FieldError(sender.field, message, str(full.needed), "BATCH_TOO_LARGE")])
    return workers.refusal(full, full.model or "")
