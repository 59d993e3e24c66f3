"""Execute one chaos run: submit jobs while faults are injected, then the same seeds undisturbed, and compute figures.

Reports its progress to a callback; prints nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from chaos.assertions import Figures, assess, count_jobs
from chaos.client import Client, ReplyCounts, SubmittedJob
from chaos.environment import Environment
from chaos.faults import FaultInjector
from chaos.plan import JobSpec, Plan
from chaos.receiver import Receiver

POLL_S = 0.5
UNDER_WAY_MOST = 60  # below MAX_QUEUE_LENGTH
STARVED_BATCH = 3  # so that several jobs die at once
PATIENCE_S = 240.0  # without a job that ends
WEBHOOK_PATIENCE_S = 120.0


class Stuck(Exception):
    """Say that jobs that should end do not."""


@dataclass(frozen=True)
class Progress:
    phase: str
    done: int
    total: int
    damage: str = ""


class Run:
    """Execute a plan once. `jobs` and `injector` can be read meanwhile, and after it was broken off."""

    def __init__(
        self, plan: Plan, environment: Environment, receiver: Receiver, report: Callable[[Progress], None]
    ) -> None:
        self.jobs: list[SubmittedJob] = []
        self.injector = FaultInjector(environment, plan.faults(), self._ids_under_way)
        self._plan = plan
        self._environment = environment
        self._receiver = receiver
        self._report = report
        self._under_way: list[SubmittedJob] = []
        self.replies = ReplyCounts()

    def execute(self) -> Figures:
        """Run to the figures. Raises ClientGaveUp, Stuck when jobs do not end, and what broke the fault injector."""
        since = time.monotonic()
        self._disturbed()
        self._await_webhooks()
        jobs_on_record = count_jobs(self._environment.redis)
        reference = self._reference()
        figures = assess(self.jobs, reference, self._receiver, self.injector.damage, self._environment.redis)
        figures.doubled += max(0, jobs_on_record - len(self.jobs))
        figures.seconds = round(time.monotonic() - since, 1)
        figures.boot_s = round(self._environment.worker_pool.boot_s, 1)
        figures.notes |= {f"answers_{kind}": round(count, 2) for kind, count in vars(self.replies).items()}
        return figures

    def _disturbed(self) -> None:
        client = Client(self._environment.url, self._receiver.url)
        self.injector.start()
        try:
            self.jobs = self._see_through(client, self._plan.specs(), "faults", self._is_due)
        finally:
            self.injector.stop()
        if self.injector.error is not None:
            raise self.injector.error
        for job in self.jobs:
            if job.status == "completed":
                job.digest_later = client.fetch_digest(job)
        self.replies = client.replies

    def _reference(self) -> dict[int, str]:
        """Map each seed to the digest of its audio, generated while nothing is broken."""
        client = Client(self._environment.url, None)
        specs = [replace(spec, key=f"{spec.key}-in-peace") for spec in self._plan.specs()]
        jobs = self._see_through(client, specs, "undisturbed", lambda _: True)
        return {job.spec.seed: job.digest for job in jobs}

    def _is_due(self, spec: JobSpec) -> bool:
        injector = self.injector
        return (
            injector.over
            or spec.due <= injector.position
            or (injector.starved and len(self._under_way) < STARVED_BATCH)
        )

    def _see_through(
        self, client: Client, specs: Sequence[JobSpec], phase: str, is_due: Callable[[JobSpec], bool]
    ) -> list[SubmittedJob]:
        """Submit each job when it is due, and poll it until it has ended."""
        waiting, ended, last_end = deque(specs), list[SubmittedJob](), time.monotonic()
        while waiting or self._under_way:
            self._environment.check()
            while waiting and len(self._under_way) < UNDER_WAY_MOST and is_due(waiting[0]):
                self._under_way.append(client.submit(waiting.popleft()))
            if now_ended := list(self._ended(client)):
                ended += now_ended
                last_end = time.monotonic()
            elif self.injector.over and time.monotonic() - last_end > PATIENCE_S:
                raise Stuck(f"no task ended for {PATIENCE_S:.0f} s; {len(self._under_way)} are under way")
            self._report(Progress(phase, len(ended), len(specs), self._damage()))
            time.sleep(POLL_S)
        return ended

    def _ended(self, client: Client) -> Iterable[SubmittedJob]:
        for job in list(self._under_way):
            client.poll(job)
            if job.status != "processing":
                if job.status == "completed":
                    job.digest = client.fetch_digest(job)
                self._under_way.remove(job)
                yield job

    def _await_webhooks(self) -> None:
        """Wait for the webhooks: deliveries that were refused come again; what does not come is missing."""
        give_up_at = time.monotonic() + WEBHOOK_PATIENCE_S
        missing = {(job.task_id, job.status) for job in self.jobs if job.status in ("completed", "failed")}
        total = len(missing)
        while missing and time.monotonic() < give_up_at:
            missing -= self._receiver.delivered.keys()
            self._report(Progress("webhooks", total - len(missing), total, self._damage()))
            time.sleep(POLL_S)

    def _ids_under_way(self) -> list[str]:
        return [job.task_id for job in list(self._under_way)]

    def _damage(self) -> str:
        done, plan = self.injector.damage, self._plan
        return (
            f"{done.kills}/{plan.kills} workers and {done.broker_kills}/{plan.broker_kills} brokers killed, "
            f"storage stopped {done.storage_stops}/{plan.storage_stops}"
        )
