"""Hold a job, or a batch of them, as it stands now, with what only the queue and the workers' pace know of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from api.services.worker_directory import WorkerDirectory
from shared.jobs.batch_store import Batch
from shared.jobs.job import Job, Stage, Status
from shared.jobs.response_schemas import BatchCounts, BatchStatus


@dataclass(frozen=True)
class PartState:
    """Hold one part of a piece. `state` is None once its record is gone."""

    name: str
    task_id: str
    state: TaskState | None


@dataclass(frozen=True)
class TaskState:
    """Hold a job as it stands at `now`. `eta_s` is until its end, None when unknown.

    `replayed`: it is the job of an earlier submission under the same Idempotency-Key. `bodies`: the responses
    rendered of it so far, by whatever else they depend on.
    """

    job: Job
    position: int | None
    now: float
    eta_s: float | None = None
    replayed: bool = False
    parts: tuple[PartState, ...] = ()  # of a composition
    bodies: dict[Hashable, bytes] = field(init=False, default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Item:
    """Hold one job of a batch. `state` is None once its record is gone; its status is still known."""

    job_id: str
    status: Status
    state: TaskState | None

    def done(self) -> float:
        """Return the percentage of what will ever be done of it: one that has ended is all done, however it ended."""
        return 100.0 if self.state is None or self.status.ended else self.state.job.progress()


@dataclass(frozen=True)
class BatchState:
    """Hold a batch as it stands. `replayed`: it is an earlier one's, sent under the same Idempotency-Key."""

    batch: Batch
    items: tuple[Item, ...]
    replayed: bool = False

    @property
    def counts(self) -> BatchCounts:
        """Return how many jobs have each status, those without jobs too."""
        found = Counter(item.status for item in self.items)
        return {
            "queued": found[Status.QUEUED],
            "running": found[Status.RUNNING],
            "completed": found[Status.COMPLETED],
            "failed": found[Status.FAILED],
            "cancelled": found[Status.CANCELLED],
        }

    @property
    def status(self) -> BatchStatus:
        """Return processing, and once all have ended completed, partial (some completed), failed or cancelled."""
        statuses = {item.status for item in self.items}
        if not all(status.ended for status in statuses):
            return "processing"
        if Status.COMPLETED in statuses:
            return "completed" if len(statuses) == 1 else "partial"
        return "failed" if Status.FAILED in statuses else "cancelled"

    @property
    def progress(self) -> float:
        """Return the percentage over all items, each by its seconds of music."""
        weights = [item.state.job.request.made_s if item.state else 0.0 for item in self.items]
        if not sum(weights):
            return 100.0
        done = sum(weight * item.done() for weight, item in zip(weights, self.items, strict=True))
        return round(done / sum(weights), 1)

    @property
    def eta_s(self) -> float | None:
        """Return the seconds until the last one ends; None when all have, or while that of one is unknown."""
        etas = [item.state.eta_s for item in self.items if item.state and not item.status.ended]
        known = [eta_s for eta_s in etas if eta_s is not None]
        return max(known) if known and len(known) == len(etas) else None


class TaskStates:
    """Add the estimates. All methods raise BrokerUnavailable."""

    def __init__(self, workers: WorkerDirectory) -> None:
        self._workers = workers

    def of(self, job: Job, position: int | None) -> TaskState:
        now = time.time()
        if job.status.ended:
            return TaskState(job, None, now)
        made_s = job.request.made_s if job.composition is None else 0.0  # a mix takes no slot's time
        eta_s = self.queued_eta_s(job.model, made_s, position)
        if job.status is Status.RUNNING:
            eta_s = self._running_eta_s(job, made_s, now)
        return TaskState(job, position, now, eta_s)

    def _running_eta_s(self, job: Job, made_s: float, now: float) -> float | None:
        """Return at first what such pieces took of late, then more and more what follows from this one's own steps."""
        own_s, run_s = job.eta_s(now), self._workers.run_s(job.model, made_s)
        if run_s is None:
            return own_s
        usual_s = run_s - (job.run_time_s(now) or 0)
        if own_s is None:
            return round(max(0.0, usual_s), 1)
        if usual_s <= 0:  # this one is not as usual
            return own_s
        share = job.step / job.steps
        return round(share * own_s + (1 - share) * usual_s, 1)

    def with_parts(self, state: TaskState, parts: tuple[PartState, ...]) -> TaskState:
        """Add the parts, and estimate the mix: it ends after its parts; blocked ones begin when others are done."""
        eta_s = state.eta_s
        if state.job.stage is Stage.WAITING and not state.job.status.ended:
            states = [part.state for part in parts if part.state and not part.state.job.status.ended]
            waiting = [each for each in states if each.job.stage is Stage.WAITING]
            after_s = [self._workers.run_s(each.job.model, each.job.request.made_s) for each in waiting]
            before_s = [each.eta_s for each in states if each.job.stage is not Stage.WAITING]
            first_s, then_s = _longest(before_s), _longest(after_s)
            eta_s = None if first_s is None or then_s is None else round(first_s + then_s, 1)
        return replace(state, parts=parts, eta_s=eta_s)

    def queued_eta_s(self, model: str, audio_s: float, position: int | None) -> float | None:
        if position is None:
            return None
        wait_s, run_s = self._workers.wait_s(model, position), self._workers.run_s(model, audio_s)
        return None if wait_s is None or run_s is None else round(wait_s + run_s, 1)


def _longest(times_s: Sequence[float | None]) -> float | None:
    """Return the longest; None while one of them is unknown."""
    known = [time_s for time_s in times_s if time_s is not None]
    return max(known, default=0.0) if len(known) == len(times_s) else None
