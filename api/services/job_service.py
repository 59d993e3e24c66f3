"""Submit, get, cancel and list jobs. Every dialect calls this and nothing below it; it knows no HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from api.services.acceptor import Draft, JobAcceptor, Submitter
from api.services.batch_service import BatchService
from api.services.continuation import ContinuationResolver
from api.services.ended_cache import EndedJobs
from api.services.job_cache import JobCache
from api.services.keeping_service import KeepingService
from api.services.model_service import ModelService
from api.services.multi_instrument_service import MultiInstrumentService
from api.services.remix_service import RemixService
from api.services.submission import NO_FILES, Files, SubmissionParser
from api.services.task_state import TaskState, TaskStates
from api.services.token_counter import TokenCounters
from api.services.worker_directory import WorkerDirectory
from api.uploads.upload_store import Blobs
from shared.errors import Conflict, NotFound
from shared.jobs.acceptance import copy_of
from shared.jobs.batch_store import BatchStore
from shared.jobs.digests import request_digest
from shared.jobs.idempotency import IdempotencyKeys
from shared.jobs.job import LOCAL, Job, Result, Status, expect_repeatable, new_id
from shared.jobs.kept_tasks import KeptTasks
from shared.jobs.snapshot import QueuedState, unknown
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets
from shared.music.catalog import Catalog
from shared.settings import Settings
from shared.storage import Storage
from shared.workers.registry import WorkerRegistry

__all__ = ["JobService", "TaskState"]


class SearchedJobs(NamedTuple):
    """Hold a page of what a search found, how many it found in all, and among how many of the newest jobs."""

    states: list[TaskState]
    total: int
    searched: int


class JobService:
    """Serve jobs; one per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        batch_store: BatchStore,
        idempotency_keys: IdempotencyKeys,
        registry: WorkerRegistry,
        tickets: Tickets,
        storage: Storage,
        kept_tasks: KeptTasks,
        own_address: Callable[[], str] = str,
    ) -> None:
        """Wire the services.

        `own_address` tells, during a submission, the address that it came to; empty if unknown.
        """
        self._settings = settings
        self._store = store
        self._reader = store.reader
        self._storage = storage
        self._ended = EndedJobs()
        catalog = Catalog(settings)
        workers = WorkerDirectory(settings, catalog, registry, self._reader)
        self.model_service = ModelService(catalog, workers)
        self.blobs = Blobs(storage)
        continuations = ContinuationResolver(settings, self._reader, self.blobs)
        parser = SubmissionParser(settings, catalog, workers, TokenCounters(registry), continuations, own_address)
        acceptor = JobAcceptor(store, batch_store, idempotency_keys, tickets, self.blobs, parser, workers)
        self._submission_parser, self._acceptor = parser, acceptor
        self._task_states = TaskStates(workers)
        self.batches = BatchService(acceptor, batch_store, parser, workers)
        self.compositions = MultiInstrumentService(acceptor, self._reader, parser, workers)
        self.remixes = RemixService(acceptor, self._reader, parser, workers, self.blobs, self.compositions)
        self._polled = JobCache(self._reader, self.compositions.state)
        self._kept_tasks = kept_tasks
        self.keeping = KeepingService(kept_tasks, self._ended, self.get)

    # submitting

    def submit(self, fields: Mapping[str, Any], submitter: Submitter, files: Files = NO_FILES) -> TaskState:
        """Validate, store what was uploaded, accept the job with its ticket.

        Raises InvalidRequest with every bad field, IdempotencyConflict, ModelNotServed, QueueFull, StorageUnavailable.
        """
        job_id, before = new_id(), self._acceptor.sent_before(submitter)
        with self._submission_parser.open_uploads(submitter.account) as uploads:
            submission = self._submission_parser.parse(fields, files, job_id, uploads, sent_before=before)
            draft = Draft(
                request_digest(submission.request, submission.webhook),
                lambda: [self._acceptor.job_of(submission, job_id, submitter)],
                [submission.choice],
                uploads=uploads,
            )
            return self._accept(draft, submitter)

    def retry(
        self, job_id: str, account: str = LOCAL, idempotency_key: str | None = None, key_id: str | None = None
    ) -> TaskState:
        """Submit an ended job's request again, same seed, as a job of its own; under one key of this job's, once.

        Raises NotFound, Conflict, QueueFull.
        """
        job = self.get(job_id, account).job
        expect_repeatable(job)
        again = copy_of(job, key_id=key_id)
        key = f"retry:{job_id}:{idempotency_key}" if idempotency_key else None
        draft = Draft(request_digest(job.request, job.webhook), lambda: [self._acceptor.new_job(again)])
        return self._accept(draft, Submitter(account, job.source, key, key_id=key_id))

    def _accept(self, draft: Draft, submitter: Submitter) -> TaskState:
        accepted = self._acceptor.accept(draft, submitter)
        snapshot = self._acceptor.snapshot(accepted)
        return replace(self._task_states.of(snapshot.job, snapshot.position), replayed=accepted.replayed)

    # reading

    def get(self, job_id: str, account: str = LOCAL) -> TaskState:
        """Raises NotFound, also for another account's job."""
        state = self._find(job_id)
        if state.job.account != account:
            raise unknown(job_id)
        return state

    def _find(self, job_id: str) -> TaskState:
        if (ended := self._ended.get(job_id)) is not None:
            return self.compositions.state(ended)
        state = self._polled.get(job_id)
        if state.job.status.ended:
            self._ended.keep(state.job)
        return state

    def recent(
        self, *, limit: int, offset: int = 0, account: str = LOCAL, favourites: bool = False
    ) -> tuple[list[TaskState], int]:
        """Return the jobs, or the favourites alone, newest first, and how many there are."""
        jobs = self._reader.recent(account, limit=limit, offset=offset, favourites=favourites)
        return self._listed(jobs), self._reader.count(account, favourites=favourites)

    def search(
        self, words: Sequence[str], *, limit: int, offset: int = 0, account: str = LOCAL, favourites: bool = False
    ) -> SearchedJobs:
        """Return the jobs, or the favourites alone, whose title and prompt have all the words, newest first."""
        found = self._kept_tasks.search(account, words, favourites=favourites)
        snapshots = self._reader.snapshots(found.ids[offset : offset + limit])
        states = self._listed([each.job for each in snapshots if each is not None])
        return SearchedJobs(states, len(found.ids), found.searched)

    def _listed(self, jobs: Sequence[Job]) -> list[TaskState]:
        states = self._reader.queued_states([job.id for job in jobs if job.status is Status.QUEUED])
        at = {job_id: state.position for job_id, state in states.items() if state}
        return [self.compositions.state(job, at.get(job.id)) for job in jobs]

    def queued_states(self, job_ids: Sequence[str]) -> dict[str, tuple[QueuedState, float | None] | None]:
        """Return where many jobs stand, and in how many seconds each ends; None for a record that is gone."""
        return {
            job_id: None
            if state is None
            else (state, self._task_states.queued_eta_s(state.model, state.audio_s, state.position))
            for job_id, state in self._reader.queued_states(job_ids).items()
        }

    def completed(self, job_id: str, account: str = LOCAL) -> tuple[Job, Result]:
        """Return a job that has audio, and its result.

        Raises NotFound, and Conflict while (or when for good) there is none.
        """
        job = self.get(job_id, account).job
        if job.result is None:
            remedy = "poll GET /tasks/<id> until it is completed" if not job.status.ended else "submit it again"
            raise Conflict(f"task {job_id} has no audio: it is {job.status}; {remedy}", details={"status": job.status})
        return job, job.result

    def link(
        self, result: Result, download_name: str, *, locked: bool = False, not_after: int | None = None
    ) -> str | None:
        """Return a presigned URL where the store has such; None where the API itself must serve the audio.

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

    def cancel(self, job_id: str, account: str = LOCAL) -> TaskState:
        """Raises NotFound, and Conflict when the job has completed or failed."""
        self.get(job_id, account)
        return self.compositions.state(self._store.cancel(job_id))

    def purge(self, job_id: str, account: str = LOCAL) -> None:
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

    def cancel_waiting(self, model: str, account: str = LOCAL) -> int:
        """Cancel all of an account's jobs that wait for that model; how many there were."""
        cancelled = 0
        for job_id in self._reader.waiting_ids(model, account):
            with suppress(Conflict, NotFound):  # begun, or ended, in the meantime
                cancelled += self._store.cancel(job_id).status is Status.CANCELLED
        return cancelled

    # how it is

    def check_broker(self) -> None:
        """Raises BrokerUnavailable, or ConfigurationError for an eviction policy that could drop jobs."""
        self._reader.check()

    def queues(self) -> dict[str, int]:
        return self._reader.waiting()

    def running(self) -> int:
        return self._reader.running()
