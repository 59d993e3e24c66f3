"""Write one submission as the submit scripts take it: its jobs, and what holds for all of them.

lua/includes/acceptance.lua reads what is written here. Knows no HTTP and sends nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from shared.errors import Conflict
from shared.jobs.batch_store import Batch
from shared.jobs.digests import derived_digest, fingerprint_digest, music_digest
from shared.jobs.idempotency import IdempotencyRecord
from shared.jobs.job import Fingerprint, Job, Result, new_id
from shared.jobs.serialization import to_fields
from shared.jobs.snapshot import JobSnapshot
from shared.jobs.tickets import Ticket
from shared.settings import Settings

REFUSALS = {
    "lacking": "task {0} is {1}; only a task that has completed, or still may, can be waited for",
    "unfailed": "task {0} is {1}; only a task that has failed can run again",
    "retried": "task {0} has run again already, as {1}, which is {2}; look at that one",
}


@dataclass(frozen=True)
class NewJob:
    """Hold one job to be accepted. Its `cache_key` is empty when its music is shared with nobody."""

    job: Job
    cache_key: str = ""
    made_by: str = ""
    ticket: Ticket | None = None

    @classmethod
    def of(
        cls, job: Job, fingerprint: Fingerprint | None, ticket: Ticket | None, made_from: Sequence[str] = ()
    ) -> NewJob:
        """Draw the seed where none was given, and the cache key by which equal requests share one generation.

        Only a request that names its seed has one, and only given the workers' common fingerprint. `made_from`: the
        cache keys of the jobs whose audio this one takes, and whatever else decides its sound and is not in its
        request; with an empty one among them it shares nothing. Nor does what goes on from a task that has not
        completed: what that will be is not known yet.
        """
        request = job.request
        if request.seed is None:
            return cls(replace(job, request=request.model_copy(update={"seed": draw_seed()})), ticket=ticket)
        if not request.cache or fingerprint is None or request.awaits or not all(made_from):
            return cls(job, ticket=ticket)
        made_by = fingerprint_digest(fingerprint)
        cache_key = music_digest(request, job.model, job.account, made_by)
        return cls(job, derived_digest(cache_key, made_from), made_by, ticket)

    def args(self) -> list[str | int]:
        """Return the script's arguments, in the order that lua/includes/acceptance.lua reads."""
        fields = to_fields(self.job)
        if self.cache_key:
            fields |= {"flight": self.cache_key, "fingerprint": self.made_by}
        ttl_s = self.job.request.ttl_s
        flat = [part for pair in fields.items() for part in pair]
        head = (self.job.id, self.job.model, self.cache_key, _or_empty(None if ttl_s is None else round(ttl_s * 1000)))
        return [*head, *(self.ticket or ("", "")), len(flat), *flat]


@dataclass(frozen=True)
class SubmitContext:
    """Hold what all jobs of one submission share.

    `concurrent`: from now on at most so many of the account's jobs run at once; 0 is no bound, None leaves it as it is.
    `is_kept`: whether that audio is still there, all of it; else nobody is answered from it. With a `batch_id` the jobs
    are a batch, which `source` sent.
    """

    account: str
    source: str = "tasks"
    idempotency: IdempotencyRecord | None = None
    concurrent: int | None = None
    is_kept: Callable[[Result], bool] | None = None
    batch_id: str | None = None

    def args(self, settings: Settings, gone: Iterable[str]) -> list[str | int]:
        """Return the arguments that stand before the jobs. `gone`: the blobs that are no more."""
        key, digest, ttl_s = "", "", 0.0
        if self.idempotency is not None:
            key, digest, ttl_s = self.idempotency.key, self.idempotency.digest, settings.idempotency_ttl_s
        head = [self.account, settings.max_queue_length, settings.result_ttl_s, key, digest, round(ttl_s * 1000)]
        return [
            *head,
            json.dumps(list(gone)),
            _or_empty(self.concurrent),
            *(() if self.batch_id is None else (self.batch_id, self.source)),
        ]


@dataclass(frozen=True)
class Accepted:
    """Name the job that a submission made; when it is `replayed`, an earlier one's under the same idempotency key.

    `id` is that of the batch, or of the last job. `batch` and `snapshot` are what was read of it in the same step.
    """

    id: str
    replayed: bool = False
    snapshot: JobSnapshot | None = None
    batch: Batch | None = None


def copy_of(job: Job, *, key_id: str | None = None) -> Job:
    """Return a job of the same request, seed and webhook, under an id of its own. `key_id`: whose API key asks."""
    request = job.request
    who = (job.account, job.source)
    return Job(new_id(), job.model, request, *who, webhook=job.webhook, after=request.awaits, key_id=key_id)


def refusal_of(word: str, reply: Sequence[str]) -> Conflict | None:
    """Return what a submit script refuses about the jobs that a new one builds on; None when it does not."""
    if word not in REFUSALS:
        return None
    job_id, *named, status = reply
    details = {"task_id": job_id, "status": status} | ({"retried_as": named[0]} if named else {})
    return Conflict(REFUSALS[word].format(*reply), details=details)


def draw_seed() -> int:
    return random.SystemRandom().randrange(2**32)


def _or_empty(number: int | None) -> str | int:
    return "" if number is None else number
