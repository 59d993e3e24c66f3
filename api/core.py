"""The job core: submit, get, cancel, list. Every dialect calls this and nothing below it; it knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from api.batches import Batches
from api.blobs import Blobs
from api.ended import EndedJobs
from api.intake import Intake, Submission
from api.prompts import TokenCounters
from api.view import View, Views
from api.workers import Workers
from shared.catalog import Catalog, Model
from shared.errors import (
    Conflict,
    IdempotencyConflict,
    NotFound,
    QueueFull,
)
from shared.job import Result, Status
from shared.jobreader import Look, Place
from shared.jobstore import JobStore, new_id
from shared.presence import Presence, Roster
from shared.queue import Tickets
from shared.settings import Settings
from shared.storage import Storage

__all__ = ["Core", "View"]


class Core:
    """One per process. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        roster: Roster,
        tickets: Tickets,
        storage: Storage,
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._storage = storage
        self._ended = EndedJobs()
        self._catalog = Catalog(settings)
        self._workers = Workers(settings, self._catalog, roster, store)
        self._intake = Intake(settings, self._catalog, self._workers, TokenCounters(roster))
        self._blobs = Blobs(storage)
        self._views = Views(self._workers)
        self.batches = Batches(
            settings, store=store, tickets=tickets, blobs=self._blobs, intake=self._intake, workers=self._workers
        )

    # submitting

    def submit(
        self,
        fields: Mapping[str, Any],
        *,
        melody: IO[bytes] | None = None,
        account: str = "local",
        source: str = "tasks",
        idempotency_key: str | None = None,
        concurrent: int | None = None,
    ) -> View:
        """Validate, store the melody, accept the job with its ticket.

        From now on at most `concurrent` of the account's jobs run at once: 0 is any number, None leaves it as it is.
        Raises InvalidRequest with every bad field, IdempotencyConflict, ModelNotServed, QueueFull, StorageUnavailable.
        """
        submission = self._intake.parse(fields, melody, job_id := new_id())
        if idempotency_key is not None:
            before = self._store.submitted_before(account, idempotency_key, submission.request, submission.webhook)
            if before is not None:
                return replace(self._look(before.id), replayed=True)
        self._intake.expect_served(submission.choice)
        self._blobs.keep_melody(submission)
        look = self._accept(submission, job_id, account, source, idempotency_key, concurrent)
        if look.job.id != job_id:
            self._blobs.forget_melody(submission)
            return replace(self._views.of(look.job, look.position), replayed=True)
        return self._views.of(look.job, look.position)

    def retry(self, job_id: str, account: str = "local") -> View:
        """Submit an ended job's request again, same seed, as a job of its own. Raises NotFound, QueueFull."""
        job = self.get(job_id, account).job
        look = self._store.accept(
            job.request,
            job.model,
            account=account,
            source=job.source,
            webhook=job.webhook,
            ticket=self._tickets.write(job.model),
        )
        return self._views.of(look.job, look.position)

    def _accept(
        self,
        submission: Submission,
        job_id: str,
        account: str,
        source: str,
        idempotency_key: str | None,
        concurrent: int | None,
    ) -> Look:
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
                is_kept=self._blobs.has,
            )
        except IdempotencyConflict:
            self._blobs.forget_melody(submission)
            raise
        except QueueFull as full:
            # refused for certain; after any other error the job may have been accepted, and needs its melody
            self._blobs.forget_melody(submission)
            retry_after_s = self._workers.retry_after_s(submission.model)
            raise QueueFull(full.queue_length, full.limit, retry_after_s) from None

    # reading

    def get(self, job_id: str, account: str = "local") -> View:
        """Raises NotFound, also for another account's job."""
        view = self._look(job_id)
        if view.job.account != account:
            raise NotFound(f"no task {job_id!r}; it never existed or its retention time is over")
        return view

    def _look(self, job_id: str) -> View:
        if (ended := self._ended.get(job_id)) is not None:
            return self._views.of(ended, None)
        look = self._store.look(job_id)
        if look.job.status.ended:
            self._ended.keep(look.job)
        return self._views.of(look.job, look.position)

    def recent(self, *, limit: int, offset: int = 0, account: str = "local") -> tuple[list[View], int]:
        """(newest first, how many there are)."""
        jobs = self._store.recent(account, limit=limit, offset=offset)
        places = self._store.places([job.id for job in jobs if job.status is Status.QUEUED])
        at = {job_id: place.position for job_id, place in places.items() if place}
        return [self._views.of(job, at.get(job.id)) for job in jobs], self._store.count(account)

    def places(self, job_ids: Sequence[str]) -> dict[str, tuple[Place, float | None] | None]:
        """Where many jobs stand, and in how many seconds each ends; None for a record that is gone."""
        return {
            job_id: None
            if place is None
            else (place, self._views.queued_eta_s(place.model, place.audio_s, place.position))
            for job_id, place in self._store.places(job_ids).items()
        }

    def result(self, job_id: str, account: str = "local") -> Result:
        """Raises NotFound, and Conflict while (or when for good) there is no audio."""
        job = self.get(job_id, account).job
        if job.result is None:
            remedy = "poll GET /tasks/<id> until it is completed" if not job.status.ended else "submit it again"
            raise Conflict(f"task {job_id} has no audio: it is {job.status}; {remedy}", details={"status": job.status})
        return job.result

    def link(self, result: Result, download_name: str) -> str | None:
        """A presigned URL where the store has such; None where the API itself must serve the audio."""
        return self._storage.link(result.key, download_name=download_name)

    @property
    def storage(self) -> Storage:
        return self._storage

    # ending

    def cancel(self, job_id: str, account: str = "local") -> View:
        """Raises NotFound, and Conflict when the job has completed or failed."""
        self.get(job_id, account)
        return self._views.of(self._store.cancel(job_id), None)

    def purge(self, job_id: str, account: str = "local") -> None:
        """Remove all that is kept of a job, cancelling it first if it has not ended. Raises NotFound."""
        if not self.get(job_id, account).job.status.ended:
            with suppress(Conflict):  # it has just ended by itself
                self._store.cancel(job_id)
        self._ended.forget(job_id)
        self._blobs.delete(self._store.purge(job_id))

    def cancel_waiting(self, model: str, account: str = "local") -> int:
        """Cancel all of an account's jobs that wait for that model; how many there were."""
        cancelled = 0
        for job_id in self._store.waiting_ids(model, account):
            with suppress(Conflict, NotFound):  # begun, or ended, in the meantime
                cancelled += self._store.cancel(job_id).status is Status.CANCELLED
        return cancelled

    # what is there

    def workers(self, *, fresh: bool = False) -> list[Presence]:
        """The live workers, as of at most a second ago; `fresh` asks again."""
        return self._workers.live(fresh=fresh)

    def models(self) -> list[Model]:
        """Every known model, the ones that only a live worker announces included."""
        known = {model.name: model for model in self._catalog.all()}
        for presence in self.workers():
            if known.get(presence.model, presence.as_model()).size == "custom":
                known[presence.model] = presence.as_model()
        return sorted(known.values(), key=lambda model: model.name)

    def model_named(self, name: str) -> Model:
        """Raises InvalidRequest."""
        return self._catalog.choose(name, melody=False, others=[p.as_model() for p in self.workers()]).model

    def promised(self) -> set[str]:
        """The models that SERVED_MODELS names, by their catalog names."""
        return self._workers.promised()

    def expected(self) -> set[str]:
        """The models without which this service is not ready."""
        return self._workers.expected()

    def expected_default(self) -> str:
        """The catalog's name of the model for requests that name none."""
        return self._workers.default()

    def check_broker(self) -> None:
        """Raises BrokerUnavailable, or ConfigurationError for an eviction policy that could drop jobs."""
        self._store.check()

    def queues(self) -> dict[str, int]:
        return self._store.waiting()

    def running(self) -> int:
        return self._store.running()
