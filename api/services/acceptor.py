"""Accept submissions: the one way into the queue, of a job, a batch, a piece for several instruments and a retry.

What was sent before under the same Idempotency-Key is found here; uploads are kept here before the jobs are on record,
and dropped when they are refused or replayed. Knows no HTTP; what a request must be is the submission parser's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from api.services.continuation import SentBefore
from api.services.submission import Submission, SubmissionParser
from api.services.worker_directory import WorkerDirectory
from api.uploads.upload_store import Blobs
from shared.errors import Conflict, FieldError, InvalidRequest, ModelNotServed, NotFound, QueueFull
from shared.jobs.acceptance import Accepted, NewJob, SubmitContext
from shared.jobs.batch_store import Batch, BatchStore
from shared.jobs.idempotency import IdempotencyKeys, IdempotencyRecord
from shared.jobs.job import LOCAL, Fingerprint, Job
from shared.jobs.snapshot import JobSnapshot
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets
from shared.music.catalog import Choice

MANY = "requests"  # the field of a batch's own requests


def admit_all(count: int) -> None:
    """Admit that many submissions: whoever sends them was counted already."""


@dataclass(frozen=True)
class Submitter:
    """Say whose submission it is, in which `field` they sent its parts, and what their account may do.

    `admit` is asked once, for so many submissions, and raises RateLimited. From now on at most `concurrent` of the
    account's jobs run at once: 0 is no bound, None leaves it as it is. `key_id` is that of the API key that sends it.
    """

    account: str = LOCAL
    source: str = "tasks"
    idempotency_key: str | None = None
    concurrent: int | None = None
    key_id: str | None = None
    admit: Callable[[int], None] = admit_all
    field: str = ""


@dataclass(frozen=True)
class Draft:
    """Hold a valid submission that is not accepted yet.

    `digest` is of all that was asked for. `new_jobs` makes its jobs once it is admitted. It counts as `count`
    submissions, and the models of its `choices` must be served. With a `batch_id` its jobs are a batch.
    """

    digest: str
    new_jobs: Callable[[], Sequence[NewJob]]
    choices: Sequence[Choice] = ()
    count: int = 1
    uploads: Mapping[str, bytes] = field(default_factory=dict)
    batch_id: str | None = None


class JobAcceptor:
    """Accept jobs; one per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        store: JobStore,
        batch_store: BatchStore,
        idempotency_keys: IdempotencyKeys,
        tickets: Tickets,
        blobs: Blobs,
        submission_parser: SubmissionParser,
        workers: WorkerDirectory,
    ) -> None:
        self._store = store
        self._batch_store = batch_store
        self._idempotency_keys = idempotency_keys
        self._tickets = tickets
        self._blobs = blobs
        self._submission_parser = submission_parser
        self._workers = workers

    def accept(self, draft: Draft, submitter: Submitter) -> Accepted:
        """Accept all of its jobs, or none; what was accepted before under the same Idempotency-Key is returned.

        Raises IdempotencyConflict, ModelNotServed, what `admit` raises, QueueFull, Conflict with what one of them was
        to wait for, StorageUnavailable, and InvalidRequest for more jobs than a queue can hold.
        """
        key = submitter.idempotency_key
        record = None if key is None else IdempotencyRecord(key, draft.digest)
        if record is not None and (before := self._accepted_before(draft, record, submitter.account)):
            return before
        self._expect_served(draft.choices, submitter)
        submitter.admit(draft.count)
        new_jobs = draft.new_jobs()
        context = SubmitContext(
            submitter.account,
            submitter.source,
            idempotency=record,
            concurrent=submitter.concurrent,
            is_kept=self._blobs.is_complete,
            batch_id=draft.batch_id,
        )
        with self._uploads_of(draft):
            try:
                accepted = self._store.accept(new_jobs, context)
            except QueueFull as full:
                raise self._refusal(full, new_jobs[-1].job.model, submitter) from None
        if accepted.replayed:
            self._blobs.delete(draft.uploads)
        return accepted

    def new_job(self, job: Job, fingerprint: Fingerprint | None = None, made_from: Sequence[str] = ()) -> NewJob:
        """Return the job with its ticket. `fingerprint` and `made_from` as `NewJob.of` has them."""
        return NewJob.of(job, fingerprint, self._tickets.write(job.model), made_from)

    def job_of(self, submission: Submission, job_id: str, submitter: Submitter, batch_id: str | None = None) -> NewJob:
        """Return the job of one request. The fingerprint of the live workers lets it share an equal one's music."""
        request, webhook = submission.request, submission.webhook
        who = (submitter.account, submitter.source)
        job = Job(job_id, submission.model, request, *who, webhook=webhook, batch=batch_id, after=request.awaits,
                  key_id=submitter.key_id)  # fmt: skip
        return self.new_job(job, self._workers.fingerprint(submission.model))

    def sent_before(self, submitter: Submitter, index: int = 0) -> SentBefore:
        """Return what looks up the request that was sent before under this Idempotency-Key, of a batch that one."""
        lookup = self._idempotency_keys.request_before
        return partial(lookup, submitter.account, submitter.idempotency_key, index)

    def accepted_before(self, submitter: Submitter) -> Job | None:
        """Return the job that was accepted under this Idempotency-Key, whatever it was."""
        return self._idempotency_keys.job_before(submitter.account, submitter.idempotency_key)

    def snapshot(self, accepted: Accepted) -> JobSnapshot:
        """Return the job that stands for a submission, as it is now."""
        return accepted.snapshot or self._store.reader.snapshot(accepted.id)

    def batch(self, accepted: Accepted) -> Batch:
        """Return the batch that stands for a submission, as it is now."""
        return accepted.batch or self._batch_store.get(accepted.id)

    def _accepted_before(self, draft: Draft, record: IdempotencyRecord, account: str) -> Accepted | None:
        found = self._idempotency_keys.submitted_before(account, record)
        with suppress(NotFound):  # it was purged meanwhile
            if found is not None and draft.batch_id is not None:
                return Accepted(found, replayed=True, batch=self._batch_store.get(found))
            if found is not None:
                return Accepted(found, replayed=True, snapshot=self._store.reader.snapshot(found))
        return None

    def _expect_served(self, choices: Sequence[Choice], submitter: Submitter) -> None:
        """Raise ModelNotServed that names the first request of such a model, where there are several."""
        first = {choice: index for index, choice in reversed(list(enumerate(choices)))}
        for choice, index in first.items():
            try:
                self._submission_parser.expect_served(choice)
            except ModelNotServed as error:
                if submitter.field == MANY:
                    error.details["field"] = f"{MANY}[{index}].model"
                raise

    @contextmanager
    def _uploads_of(self, draft: Draft) -> Iterator[None]:
        """Store the uploads, and drop them when the submission is refused for certain.

        After any other error it may have been accepted, and needs them.
        """
        self._blobs.keep_uploads(draft.uploads)
        try:
            yield
        except (Conflict, QueueFull, InvalidRequest):
            self._blobs.delete(draft.uploads)
            raise

    def _refusal(self, full: QueueFull, model: str, submitter: Submitter) -> QueueFull | InvalidRequest:
        """Return when to try again; what no patience can mend is the caller's mistake."""
        if full.needed > full.limit:
            message = (
                f"{full.needed} jobs would wait for the model {full.model!r}, whose queue holds {full.limit} "
                f"(MAX_QUEUE_LENGTH); send fewer {submitter.field}"
            )
            return InvalidRequest([FieldError(submitter.field, message, str(full.needed), "BATCH_TOO_LARGE")])
        return self._workers.refusal(full, full.model or model)
