"""The job core: submit, get, cancel, list. Every dialect calls this and nothing below it; it knows no HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from api.melody import decode_melody
from api.prompts import TokenCounters
from api.snapshot import Snapshot
from shared.catalog import Catalog, Choice, Model
from shared.errors import (
    Conflict,
    FieldError,
    InvalidMelody,
    InvalidRequest,
    ModelNotServed,
    NotFound,
    QueueFull,
    StorageUnavailable,
)
from shared.job import Job, Result, Status
from shared.jobstore import JobStore, new_id
from shared.presence import Presence, Roster
from shared.queue import Tickets
from shared.request import Limits, MelodyRef, MusicRequest, parse_request
from shared.settings import Settings
from shared.storage import Storage

ROSTER_AGE_S = 1.0
MELODY_TYPE = "audio/flac"
MELODY_RETRY_S = 2.0  # somebody waits for the answer


@dataclass(frozen=True)
class View:
    """A job as it stands at `now`, with what only the queue knows."""

    job: Job
    position: int | None
    now: float


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
        self._settings = settings
        self._store = store
        self._tickets = tickets
        self._storage = storage
        self._catalog = Catalog(settings)
        self._roster = Snapshot(roster.live, ROSTER_AGE_S)
        self._counters = TokenCounters(roster)

    # submitting

    def submit(
        self,
        fields: Mapping[str, Any],
        *,
        melody: IO[bytes] | None = None,
        account: str = "local",
        source: str = "tasks",
    ) -> View:
        """Validate, store the melody, accept the job, send its ticket.

        Raises InvalidRequest with every bad field, ModelNotServed, QueueFull, StorageUnavailable.
        """
        job_id = new_id()
        request, choice, upload = self._parse(fields, melody, job_id)
        self._expect_served(choice)
        if upload is not None and request.melody is not None:
            self._storage.put(request.melody.key, upload, MELODY_TYPE, retry_s=MELODY_RETRY_S)
        try:
            job = self._store.submit(request, choice.model.name, account=account, source=source, job_id=job_id)
        except QueueFull:
            # refused for certain; after any other error the job may have been accepted, and needs its melody
            if request.melody is not None:
                with suppress(StorageUnavailable):
                    self._storage.delete(request.melody.key)
            raise
        self._tickets.send(job.model)
        return self._view(job)

    def _parse(
        self, fields: Mapping[str, Any], melody: IO[bytes] | None, job_id: str
    ) -> tuple[MusicRequest, Choice, bytes | None]:
        """Everything that can be wrong is looked at before anything is refused."""
        known = dict(fields)
        errors: list[FieldError] = []
        upload: bytes | None = None
        if known.pop("melody", None) is not None:
            errors.append(FieldError("melody", "must be a file field of a multipart form", "", "INVALID_MELODY"))
        if melody is not None:
            try:
                decoded = decode_melody(melody, self._settings)
                upload = decoded.flac
                known["melody"] = MelodyRef(
                    key=f"uploads/{job_id}/melody.flac", seconds=decoded.seconds, sha256=decoded.sha256
                )
            except InvalidMelody as error:
                errors += error.errors
                # so that a blank prompt beside a bad melody is not reported as a second fault
                known["melody"] = MelodyRef(key="", seconds=0, sha256="")
        choice = self._choose(known, melody is not None, errors)
        if choice is not None:
            known["model"] = choice.model.name
        request = parse_request(known, self._limits(choice), also=tuple(errors))
        assert choice is not None, "a missing choice is an error, and errors are raised"
        return request, choice, upload

    def _choose(self, known: dict[str, Any], melody: bool, errors: list[FieldError]) -> Choice | None:
        asked = known.setdefault("model", self._settings.default_model)
        if not isinstance(asked, str):
            return None  # the validator says so
        for fresh in (False, True):
            others = [p.as_model() for p in self.workers(fresh=fresh)]
            try:
                return self._catalog.choose(asked, melody=melody, others=others)
            except InvalidRequest as error:
                refusal = error.errors
        errors += refusal
        return None

    def _limits(self, choice: Choice | None) -> Limits:
        settings = self._settings
        live = [p for p in self.workers() if choice and p.model == choice.model.name]
        longest = max([p.max_duration_s for p in live], default=choice.model.max_duration_s if choice else float("inf"))
        tokenizer = next((p.tokenizer for p in live if p.tokenizer), None)
        counter = self._counters.get(tokenizer) if tokenizer else None
        return Limits(longest, settings.max_prompt_tokens, settings.max_prompt_chars, counter)

    def _expect_served(self, choice: Choice) -> None:
        """A model is served when a worker for it lives, or when the operator says that one will (SERVED_MODELS)."""
        if choice.revision is None and choice.model.name in self.promised():
            return
        for fresh in (False, True):
            live = [p for p in self.workers(fresh=fresh) if p.model == choice.model.name]
            # a job is drawn by any worker of its model, so all of them must hold the revision asked for
            if live and all(choice.revision in (None, p.revision) for p in live):
                return
        asked = choice.model.name + (f"@{choice.revision}" if choice.revision else "")
        served = {p.model for p in self.workers()} | self.promised()
        raise ModelNotServed(asked, sorted(served))

    # reading

    def get(self, job_id: str, account: str = "local") -> View:
        """Raises NotFound, also for another account's job."""
        job = self._store.get(job_id)
        if job.account != account:
            raise NotFound(f"no task {job_id!r}; it never existed or its retention time is over")
        return self._view(job)

    def recent(self, *, limit: int, offset: int, account: str = "local") -> tuple[list[View], int]:
        """(newest first, how many there are)."""
        jobs = self._store.recent(account, limit=limit, offset=offset)
        return [self._view(job) for job in jobs], self._store.count(account)

    def cancel(self, job_id: str, account: str = "local") -> View:
        """Raises NotFound, and Conflict when the job has completed or failed."""
        self.get(job_id, account)
        return self._view(self._store.cancel(job_id))

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

    # what is there

    def workers(self, *, fresh: bool = False) -> list[Presence]:
        """The live workers, as of at most a second ago; `fresh` asks again."""
        return self._roster.get(fresh=fresh)

    def models(self) -> list[Model]:
        """Every known model, the ones that only a live worker announces included."""
        known = {model.name: model for model in self._catalog.all()}
        for presence in self.workers():
            if known.get(presence.model, presence.as_model()).size == "custom":
                known[presence.model] = presence.as_model()
        return sorted(known.values(), key=lambda model: model.name)

    def promised(self) -> set[str]:
        """The models that SERVED_MODELS names, by their catalog names."""
        return {self._resolved(name) for name in self._settings.served_models}

    def expected(self) -> set[str]:
        """The models without which this service is not ready: the promised ones, or else the default one."""
        return self.promised() or {self._resolved(self._settings.default_model)}

    def _resolved(self, name: str) -> str:
        others = [p.as_model() for p in self.workers()]
        try:
            return self._catalog.choose(name, melody=False, others=others).model.name
        except InvalidRequest:
            return name  # a model of the operator's own, whose worker has not announced it yet

    def check_broker(self) -> None:
        """Raises BrokerUnavailable, or ConfigurationError for an eviction policy that could drop jobs."""
        self._store.check()

    def queues(self) -> dict[str, int]:
        return self._store.waiting()

    def running(self) -> int:
        return self._store.running()

    def _view(self, job: Job) -> View:
        position = self._store.position(job) if job.status is Status.QUEUED else None
        return View(job, position, time.time())
