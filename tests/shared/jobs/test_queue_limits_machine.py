"""Any history of bounded accounts keeps their bounds: a state machine over the real broker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.broker.connection import connect
from shared.errors import ClaimLater, Conflict, GenerationFailed, StaleAttempt
from shared.jobs.job import Job, Status
from shared.jobs.store import JobStore
from shared.jobs.tickets import Ticket
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.shared.steps import MADE_BY, result_for
from tests.submitting import submit_job


class Machine(RuleBasedStateMachine):
    """Any history of two bounded accounts and a free one over two models and all classes."""

    settings: Settings
    bounds: dict[str, int]

    @initialize(one=st.integers(1, 3), two=st.integers(1, 3))
    def begin(self, one: int, two: int) -> None:
        self.client: Any = connect(self.settings)
        self.client.flushdb()
        self.store = JobStore(self.client, self.settings)
        self.bounds = {"a": one, "b": two, "free": 0}
        self.jobs: dict[str, Job] = {}
        self.attempts: list[Job] = []

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.close()

    @rule(
        account=st.sampled_from(("a", "b", "free")),
        model=st.sampled_from(("tiny", "small")),
        priority=st.sampled_from(("high", "normal", "low")),
        count=st.integers(1, 4),
        seed=st.sampled_from((None, None, 1)),
    )
    def submit(self, account: str, model: str, priority: str, count: int, seed: int | None) -> None:
        wish = {"prompt": "calm piano", "model": model, "duration": 2.0, "priority": priority, "seed": seed}
        for _ in range(count):
            job = submit_job(
                self.store,
                MusicRequest.model_validate(wish),
                model,
                account=account,
                source="tasks",
                job_id=f"job-{len(self.jobs):03d}",
                fingerprint=MADE_BY,
                ticket=Ticket(f"q:{model}", f"ticket 00000000-0000-0000-0000-{len(self.jobs):012d}"),
                concurrent=self.bounds[account],
            )
            self.jobs[job.id] = job

    @rule(account=st.sampled_from("ab"), bound=st.integers(0, 4))
    def change(self, account: str, bound: int) -> None:
        self.bounds[account] = bound
        self.submit(account=account, model="tiny", priority="normal", count=1, seed=None)

    @rule(model=st.sampled_from(("tiny", "small")), worker=st.sampled_from(("w1", "w2")))
    def claim(self, model: str, worker: str) -> None:
        room = {
            account: bound == 0 or bound > self.store.reader.running_for(account)
            for account, bound in self.bounds.items()
        }
        startable = [
            job for job in map(self.store.reader.get, self.jobs)
            if job.status is Status.QUEUED and job.primary_id is None and job.model == model and room[job.account]
        ]  # fmt: skip
        try:
            claimed = self.store.claim(model, worker)
        except ClaimLater:
            return
        if claimed is None:
            assert not [job for job in startable if not job.isolation], "an idle worker leaves work undone"
            return
        assert room[claimed.account], "one more than its bound"
        self.attempts.append(claimed)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), end=st.sampled_from(("complete", "fail", "requeue", "lose")))
    def end(self, data: st.DataObject, end: str) -> None:
        job = self.attempts.pop(data.draw(st.integers(0, len(self.attempts) - 1)))
        with suppress(StaleAttempt):
            if end == "complete":
                self.store.complete(job, result_for(job))
            elif end == "fail":
                self.store.fail(job, GenerationFailed("no"))
            elif end == "requeue":
                self.store.requeue(job)
            else:
                self.client.zadd("ostinato:leases", {job.id: 1}, xx=True)
                self.store.reap()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        with suppress(Conflict):
            self.store.cancel(data.draw(st.sampled_from(sorted(self.jobs))))

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "store"):
            return
        jobs = [self.store.reader.get(job_id) for job_id in self.jobs]
        alone = [job for job in jobs if job.primary_id is None]
        for account in self.bounds:
            running = {job.id for job in alone if job.status is Status.RUNNING and job.account == account}
            assert self.client.smembers(f"ostinato:runs:{account}") == running
        waiting, startable = self.store.reader.waiting(), self.store.reader.startable()
        for model in waiting:
            queued = [job for job in alone if job.status is Status.QUEUED and job.model == model]
            assert waiting[model] == len(queued)
            ids = {job_id for account in self.bounds for job_id in self.store.reader.waiting_ids(model, account)}
            assert ids == {job.id for job in queued}
            assert all(0 <= (self.store.reader.snapshot(job.id).position or 0) < max(1, len(queued)) for job in queued)
            assert startable[model] <= len(queued)


def test_any_history_keeps_the_bounds_and_leaves_no_work_undone(
    broker: EmbeddedBroker, make_settings: Callable[..., Settings]
) -> None:
    Machine.settings = make_settings(max_queue_length=10**6, max_attempts=2)
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=hypothesis.settings.default.max_examples // 6,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
