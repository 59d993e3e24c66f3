"""Arrival: one job as it is handed to the submit scripts: its record, who may share its music, its claim ticket.

lua/includes/acceptance.lua reads what is written here. Knows no HTTP and sends nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shared.jobs.digests import derived_digest, fingerprint_digest, music_digest
from shared.jobs.job import Fingerprint, Job
from shared.jobs.serialization import to_fields
from shared.jobs.tickets import Ticket


@dataclass(frozen=True)
class NewJob:
    """`flight` is empty for music that is nobody else's."""

    job: Job
    flight: str = ""
    made_by: str = ""
    ticket: Ticket | None = None

    @classmethod
    def of(
        cls, job: Job, fingerprint: Fingerprint | None, ticket: Ticket | None, made_from: Sequence[str] = ()
    ) -> NewJob:
        """Given the workers' common fingerprint, a request that names its seed may share an equal one's music.

        A seed that was not given is drawn here. `made_from`: the flights of the jobs whose audio this one takes, and
        whatever else decides its sound and is not in its request; with an empty one among them it shares nothing. Nor
        does what goes on from a task that has not completed: what that will be is not known yet.
        """
        request = job.request
        if request.seed is None:
            return cls(replace(job, request=request.model_copy(update={"seed": draw_seed()})), ticket=ticket)
        if not request.cache or fingerprint is None or request.awaits or not all(made_from):
            return cls(job, ticket=ticket)
        made_by = fingerprint_digest(fingerprint)
        flight = music_digest(request, job.model, job.account, made_by)
        return cls(job, derived_digest(flight, made_from), made_by, ticket)

    def args(self) -> list[str | int]:
        """In the order that lua/includes/acceptance.lua reads."""
        fields = to_fields(self.job)
        if self.flight:
            fields |= {"flight": self.flight, "fingerprint": self.made_by}
        ttl_s = self.job.request.ttl_s
        flat = [part for pair in fields.items() for part in pair]
        head = (self.job.id, self.job.model, self.flight, _or_empty(None if ttl_s is None else round(ttl_s * 1000)))
        return [*head, *(self.ticket or ("", "")), len(flat), *flat]


def common_args(
    account: str,
    limit: int,
    ttl_s: int,
    idempotency: tuple[str, str, float] | None,
    *,
    concurrent: int | None = None,
    gone: Iterable[str] = (),
) -> list[str | int]:
    """What stands before the jobs. `idempotency`: key, digest, lifetime in seconds. `gone`: blobs that are no more.

    At most `concurrent` jobs of the account run at once: 0 is no bound, None leaves it as it is.
    """
    key, digest, kept_s = idempotency or ("", "", 0.0)
    return [account, limit, ttl_s, key, digest, round(kept_s * 1000), json.dumps(list(gone)), _or_empty(concurrent)]


def draw_seed() -> int:
    return random.SystemRandom().randrange(2**32)


def _or_empty(number: int | None) -> str | int:
    return "" if number is None else number
