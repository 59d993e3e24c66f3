"""The job core: submit, get, cancel, list. Every dialect calls this and nothing below it; it knows no HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from api.services.batch_service import BatchService
from api.services.continuation import ContinuationResolver
from api.services.ended_cache import EndedJobs
from api.services.job_cache import JobCache
from api.services.model_service import ModelService
from api.services.multi_instrument_service import MultiInstrumentService
from api.services.submission import NO_FILES, Files, Submission, SubmissionParser
from api.services.task_state import TaskState, TaskStates
from api.services.token_counter import TokenCounters
from api.services.worker_directory import WorkerDirectory
from api.uploads.upload_store import Blobs
from shared.errors import Conflict, NotFound, QueueFull
from shared.jobs.job import Result, Status, expect_alone
from shared.jobs.queue_position import JobSnapshot, QueuedState, unknown
from shared.jobs.store import JobStore, new_id
from shared.jobs.tickets import Tickets
from shared.music.catalog import Catalog
from shared.settings import Settings
from shared.storage import Storage
from shared.workers.registry import WorkerRegistry

__all__ = ["JobService", "TaskState"]


class JobService(ModelService):
    """One per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        registry: WorkerRegistry,
        tickets: Tickets,
        storage: Storage,
        own_address: Callable[[], str] = str,
    ) -> None:
        """`own_address` tells, while a submission is taken in, the address that it came to; empty if none is known."""
        self._settings = settings
        self._store = store
        self._tickets = tickets
        self._storage = storage
        self._ended = EndedJobs()
        catalog = Catalog(settings)
        super().__init__(catalog, WorkerDirectory(settings, catalog, registry, store))
        self.blobs = Blobs(storage)
        beginnings = ContinuationResolver(settings, store, self.blobs)
        self._submission_parser = SubmissionParser(
            settings, catalog, self._workers, TokenCounters(registry), beginnings, own_address
        )
        self._views = TaskStates(self._workers)
        self.batches = BatchService(
            store=store,
            tickets=tickets,
            blobs=self.blobs,
            submission_parser=self._submission_parser,
            workers=self._workers,
        )
        self.compositions = MultiInstrumentService(
            store=store,
            tickets=tickets,
            blobs=self.blobs,
            submission_parser=self._submission_parser,
            workers=self._workers,
        )
        self._polled = JobCache(store, self.compositions.view)

    # submitting

    def submit(
        self,
        fields: Mapping[str, Any],
        *,
        files: Files = NO_FILES,
        account: str = "local",
        source: str = "tasks",
        idempotency_key: str | None = None,
        concurrent: int | None = None,
        key_id: str | None = None,
    ) -> TaskState:
        """Validate, store what was uploaded, accept the job with its ticket.

        From now on at most `concurrent` of the account's jobs run at once: 0 is any number, None leaves it as it is.
        `key_id` is that of the API key that sends it. Raises InvalidRequest with every bad field, IdempotencyConflict,
        ModelNotServed, QueueFull, StorageUnavailable.
        """
        sent_before = partial(self._store.request_before, account, idempotency_key)
        submission = self._submission_parser.parse(fields, files, job_id := new_id(), account, sent_before=sent_before)
        if idempotency_key is not None:
            before = self._store.submitted_before(account, idempotency_key, submission.request, submission.webhook)
            if before is not None:
                return replace(self._look(before.id), replayed=True)
        self._submission_parser.expect_served(submission.choice)
        self.blobs.keep_uploads(submission.uploads)
        look = self._accept(submission, job_id, account, source, idempotency_key, concurrent, key_id)
        if look.job.id != job_id:
            self.blobs.delete(submission.uploads)
            return replace(self._views.of(look.job, look.position), replayed=True)
        return self._views.of(look.job, look.position)

    def retry(
        self, job_id: str, account: str = "local", idempotency_key: str | None = None, key_id: str | None = None
    ) -> TaskState:
        """Submit an ended job's request again, same seed, as a job of its own; under one key of this job's, once.

        Raises NotFound, Conflict, QueueFull.
        """
        job = self.get(job_id, account).job
        expect_alone(job)
        look = self._store.accept(
            job.request,
            job.model,
            account=account,
            source=job.source,
            job_id=(again := new_id()),
            webhook=job.webhook,
            idempotency_key=idempotency_key and f"retry:{job_id}:{idempotency_key}",
            ticket=self._tickets.write(job.model),
            after=job.request.awaits,
            key_id=key_id,
        )
        return replace(self._views.of(look.job, look.position), replayed=look.job.id != again)

    def _accept(
        self,
        submission: Submission,
        job_id: str,
        account: str,
        source: str,
        idempotency_key: str | None,
        concurrent: int | None,
        key_id: str | None,
    ) -> JobSnapshot:
        """One script. The fingerprint of the live workers allows it to share an equal request's music."""
        try:
            return self._store.accept(
                submission.request,
                submission.model,
                account=account,
                source=source,
                job_id=job_id,
                webhook=submission.webhook,
                idempotency_key=idempotency_key,
                concurrent=concurrent,
                fingerprint=self._workers.fingerprint(submission.model),
                ticket=self._tickets.write(submission.model),
                is_kept=self.blobs.is_whole,
                after=submission.request.awaits,
                key_id=key_id,
            )
        except Conflict:  # of the key, or with what it was to wait for
            self.blobs.delete(submission.uploads)
            raise
        except QueueFull as full:
            # refused for certain; after any other error the job may have been accepted, and needs its uploads
            self.blobs.delete(submission.uploads)
            raise self._workers.refusal(full, submission.model) from None

    # reading

    def get(self, job_id: str, account: str = "local") -> TaskState:
        """Raises NotFound, also for another account's job."""
        view = self._look(job_id)
        if view.job.account != account:
            raise unknown(job_id)
        return view

    def _look(self, job_id: str) -> TaskState:
        if (ended := self._ended.get(job_id)) is not None:
            return self.compositions.view(ended)
        view = self._polled.get(job_id)
        if view.job.status.ended:
            self._ended.keep(view.job)
        return view

    def recent(self, *, limit: int, offset: int = 0, account: str = "local") -> tuple[list[TaskState], int]:
        """(newest first, how many there are)."""
        jobs = self._store.recent(account, limit=limit, offset=offset)
        places = self._store.queued_states([job.id for job in jobs if job.status is Status.QUEUED])
        at = {job_id: place.position for job_id, place in places.items() if place}
        return [self.compositions.view(job, at.get(job.id)) for job in jobs], self._store.count(account)

    def queued_states(self, job_ids: Sequence[str]) -> dict[str, tuple[QueuedState, float | None] | None]:
        """Where many jobs stand, and in how many seconds each ends; None for a record that is gone."""
        return {
            job_id: None
            if place is None
            else (place, self._views.queued_eta_s(place.model, place.audio_s, place.position))
            for job_id, place in self._store.queued_states(job_ids).items()
        }

    def result(self, job_id: str, account: str = "local") -> Result:
        """Raises NotFound, and Conflict while (or when for good) there is no audio."""
        job = self.get(job_id, account).job
        if job.result is None:
            remedy = "poll GET /tasks/<id> until it is completed" if not job.status.ended else "submit it again"
            raise Conflict(f"task {job_id} has no audio: it is {job.status}; {remedy}", details={"status": job.status})
        return job.result

    def link(
        self, result: Result, download_name: str, *, locked: bool = False, not_after: int | None = None
    ) -> str | None:
        """A presigned URL where the store has such; None where the API itself must serve the audio.

        `locked`: keys exist, so it lives shorter (Settings.presigned_ttl_s). It ends at `not_after` (UNIX seconds) if
        that is sooner.
        """
        ttl_s = self._settings.presigned_ttl_s(locked=locked)
        if not_after is not None:
            ttl_s = min(ttl_s, max(1, not_after - int(time.time())))
        return self._storage.link(result.key, ttl_s=ttl_s, download_name=download_name)

    @property
    def storage(self) -> Storage:
        return self._storage

    # ending

    def cancel(self, job_id: str, account: str = "local") -> TaskState:
        """Raises NotFound, and Conflict when the job has completed or failed."""
        self.get(job_id, account)
        return self.compositions.view(self._store.cancel(job_id))

    def purge(self, job_id: str, account: str = "local") -> None:
        """Remove all that is kept of a job and of its parts, cancelling it first if it has not ended.

        Raises NotFound, and Conflict for a part of a composition that goes on without it.
        """
        job = self.get(job_id, account).job
        self._purge(job_id)
        for part in job.composition.parts if job.composition else ():
            with suppress(NotFound):
                self._purge(part.task_id)

    def _purge(self, job_id: str) -> None:
        with suppress(Conflict):  # it has ended by itself
            self._store.cancel(job_id)
        self._ended.forget(job_id)
        self.blobs.delete(self._store.purge(job_id))

    def cancel_waiting(self, model: str, account: str = "local") -> int:
        """Cancel all of an account's jobs that wait for that model; how many there were."""
        cancelled = 0
        for job_id in self._store.waiting_ids(model, account):
            with suppress(Conflict, NotFound):  # begun, or ended, in the meantime
                cancelled += self._store.cancel(job_id).status is Status.CANCELLED
        return cancelled

    # how it is

    def check_broker(self) -> None:
        """Raises BrokerUnavailable, or ConfigurationError for an eviction policy that could drop jobs."""
        self._store.check()

    def queues(self) -> dict[str, int]:
        return self._store.waiting()

    def running(self) -> int:
        return self._store.running()
