"""The whole job store against random histories: what must hold after every step, whatever was done, is checked then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
import redis
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
from shared.errors import ClaimLater, Conflict, GenerationFailed, IdempotencyConflict, NotFound, QueueFull, StaleAttempt
from shared.jobs.job import Fingerprint, Job, Result, Stage, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.shared.jobs.transitions import TRANSITIONS
from tests.submitting import submit_job

pytestmark = pytest.mark.slow

MODEL = "tiny"
MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")
WORKERS = ("w1", "w2", "w3")
MOST_WAITING = 12
ENDS = {"completed", "failed", "cancelled"}


class Machine(RuleBasedStateMachine):
    """`attempts` are all that workers ever held, with the id of the job that each now stands for (or None)."""

    settings: Settings

    @initialize()
    def begin(self) -> None:
        self.client: Any = connect(self.settings)
        self.client.flushdb()
        self.store = JobStore(self.client, self.settings)
        self.submitted = 0
        self.accepted: dict[str, Status] = {}
        self.results: dict[str, str] = {}
        self.attempts: list[Job] = []
        self.keys: dict[tuple[str, str], tuple[str, tuple[object, ...]]] = {}

    # what may happen

    @rule(
        account=st.sampled_from("ab"),
        priority=st.sampled_from(("high", "normal", "low")),
        seed=st.sampled_from((None, 1, 2)),
        key=st.sampled_from((None, None, "k1", "k2")),
        cache=st.booleans(),
        ttl_s=st.sampled_from((None, 1000)),
        timeout_s=st.sampled_from((None, 1000)),
    )
    def submit(self, account: str, key: str | None, **wish: Any) -> None:
        request = MusicRequest.model_validate({"prompt": "calm piano", "model": MODEL, "duration": 2.0} | wish)
        asked = tuple(wish.values())
        before = self.keys.get((account, key or ""))
        known = before is not None and before[0] in self.accepted
        held = int(self.client.hget(f"ostinato:turns:{MODEL}", "held") or 0)
        waiting = self.store.reader.waiting().get(MODEL, 0) + held
        try:
            self.submitted += 1
            job = submit_job(
                self.store,
                request,
                MODEL,
                account=account,
                source="tasks",
                job_id=f"job-{self.submitted:03d}",  # the same in every run of this history
                idempotency_key=key,
                fingerprint=MADE_BY,
            )
        except IdempotencyConflict:
            assert known
            assert before is not None
            assert before[1] != asked
            return
        except QueueFull:
            assert waiting == MOST_WAITING
            return
        if known:
            assert before is not None
            assert (job.id, asked) == before
        else:
            assert job.id not in self.accepted
            self.accepted[job.id] = Status.QUEUED
            if key:
                self.keys[account, key] = (job.id, asked)
        assert self.store.reader.waiting()[MODEL] <= MOST_WAITING

    @precondition(lambda self: self.accepted)
    @rule(data=st.data(), account=st.sampled_from("ab"), seed=st.sampled_from((None, 1)))
    def submit_after(self, data: st.DataObject, account: str, seed: int | None) -> None:
        """A job that waits for one or two others, which may wait themselves."""
        after = data.draw(st.lists(st.sampled_from(sorted(self.accepted)), min_size=1, max_size=2, unique=True))
        request = MusicRequest.model_validate({"prompt": "calm piano", "model": MODEL, "duration": 2.0, "seed": seed})
        lost = [self.store.reader.get(i).status in (Status.FAILED, Status.CANCELLED) for i in after]
        held = int(self.client.hget(f"ostinato:turns:{MODEL}", "held") or 0)
        waiting = self.store.reader.waiting().get(MODEL, 0) + held
        self.submitted += 1
        job_id = f"job-{self.submitted:03d}"
        how: dict[str, Any] = {"account": account, "source": "tasks", "fingerprint": MADE_BY, "made_from": ("x",)}
        try:
            submit_job(self.store, request, MODEL, job_id=job_id, after=after, **how)
        except Conflict:
            assert any(lost)
        except QueueFull:
            assert waiting == MOST_WAITING
        else:
            assert not any(lost)
            self.accepted[job_id] = Status.QUEUED

    @rule(worker=st.sampled_from(WORKERS))
    def claim(self, worker: str) -> None:
        heads = [job_id for job_id in self._waiting() if self.store.reader.snapshot(job_id).position == 0]
        free_to_choose = not any(self.store.reader.get(job_id).isolation for job_id in self._waiting())
        try:
            job = self.store.claim(MODEL, worker)
        except ClaimLater:
            assert "alone" in {self.store.reader.get(i).isolation for i in self.accepted}
            return
        if job is None:
            assert not free_to_choose or not heads
            return
        if free_to_choose:
            assert [job.id] == heads, "who is told to be next is next"
        beside = [other for other in self.client.hkeys(f"ostinato:running:{worker}") if other != job.id]
        marks = {self.store.reader.get(other).isolation for other in beside}
        assert "alone" not in marks
        assert job.isolation == "" or (job.isolation != "alone" and job.isolation not in marks) or not beside
        self.attempts.append(job)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), step=st.integers(1, 9))
    def renew(self, data: st.DataObject, step: int) -> None:
        self._write(data, lambda job: self.store.renew(job, Stage.RUNNING, step, 10))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        def complete(job: Job) -> None:
            key = f"results/{job.id}/{job.attempt}.wav"
            self.store.complete(job, Result(key, "audio/wav", 1, "0" * 64, 2.0, 32000, 1, 0.5, MADE_BY))

        self._write(data, complete)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), retryable=st.booleans())
    def fail(self, data: st.DataObject, retryable: bool) -> None:
        error = GenerationFailed("the model failed")
        error.retryable = retryable
        self._write(data, lambda job: self.store.fail(job, error))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        self._write(data, self.store.requeue)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.accepted)))
        before = self.store.reader.get(job_id).status
        try:
            assert self.store.cancel(job_id).status is Status.CANCELLED
        except Conflict:
            assert before in (Status.COMPLETED, Status.FAILED)

    @rule(worker=st.sampled_from(WORKERS), all_at_once=st.booleans())
    def die(self, worker: str, all_at_once: bool) -> None:
        """All leases of a worker run out, swept together or one by one."""
        running = self.client.hgetall(f"ostinato:running:{worker}")
        failures = {job_id: self.store.reader.get(job_id).failures for job_id in running}
        for job_id in running:
            self.client.zadd("ostinato:leases", {job_id: 1})
            if not all_at_once:
                self.store.reap()
        self.store.reap()
        for job_id in running:
            job = self.store.reader.get(job_id)
            charged = job.failures - failures[job_id]
            assert charged == (len(running) == 1), "who died in company is not charged, who was alone is"
        self.client.delete(f"ostinato:company:{worker}")

    @precondition(lambda self: self.client.zcard("ostinato:deadlines"))
    @rule(data=st.data())
    def run_out_of_time(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.client.zrange("ostinato:deadlines", 0, -1))))
        begun = self.client.hexists(f"ostinato:job:{job_id}", "first_ms")
        self.client.zadd("ostinato:deadlines", {job_id: 1})
        self.store.reap()
        error = self.store.reader.get(job_id).error
        assert error is not None
        assert error.code == ("TIMEOUT" if begun else "EXPIRED")

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.accepted)))
        job = self.store.reader.get(job_id)
        if not job.status.ended:
            with pytest.raises(Conflict):
                self.store.purge(job_id)
            return
        free = self.store.purge(job_id)
        del self.accepted[job_id]
        if job.result is not None:
            sharing = [i for i, key in self.results.items() if key == job.result.key and i in self.accepted]
            assert (job.result.key in free) == (not sharing), "a shared blob stays while somebody refers to it"
        with pytest.raises(NotFound):
            self.store.reader.get(job_id)

    # what must hold

    @invariant()
    def every_record_moves_only_as_the_table_allows(self) -> None:
        for job_id, before in self.accepted.items():
            job = self.store.reader.get(job_id)
            # at most a claim and its return can lie between two looks: queued again after running is legal twice over
            reachable = TRANSITIONS[before] | {before} | {s for via in TRANSITIONS[before] for s in TRANSITIONS[via]}
            assert job.status in reachable, f"{before} -> {job.status}"
            self.accepted[job_id] = job.status
            assert (job.result is not None) == (job.status is Status.COMPLETED)
            if job.result is not None:
                assert self.results.setdefault(job_id, job.result.key) == job.result.key, "exactly one result"

    @invariant()
    def each_job_is_where_its_status_says_and_nowhere_else(self) -> None:
        jobs = {job_id: self.store.reader.get(job_id) for job_id in self.accepted}
        leading = {i: job for i, job in jobs.items() if job.primary_id is None}
        queued = {i for i, job in leading.items() if job.status is Status.QUEUED and job.stage is not Stage.WAITING}
        held = {i for i, job in leading.items() if job.status is Status.QUEUED and job.stage is Stage.WAITING}
        assert self.client.smembers("ostinato:held") == held
        assert int(self.client.hget(f"ostinato:turns:{MODEL}", "held") or 0) == len(held)
        for job_id in held:
            awaited = self.client.smembers(f"ostinato:after:{job_id}")
            assert awaited == {i for i in jobs[job_id].after if i in jobs and not jobs[i].status.ended}
            assert awaited, "nobody waits for what has ended"
        running = {i: job.worker for i, job in leading.items() if job.status is Status.RUNNING}
        assert sorted(self._waiting()) == sorted(queued)
        assert set(self.client.zrange("ostinato:leases", 0, -1)) == set(running)
        assert set(self.client.zrange(f"ostinato:active:{MODEL}", 0, -1)) == set(running)
        on = {i: worker for worker in WORKERS for i in self.client.hkeys(f"ostinato:running:{worker}")}
        assert on == running
        for job in jobs.values():
            if job.primary_id is not None and not job.status.ended:
                assert jobs[job.primary_id].status is job.status
                assert jobs[job.primary_id].primary_id is None
                assert jobs[job.primary_id].attempt == job.attempt
        own = [m for key in self.client.scan_iter("ostinato:own:*") for m in self.client.zrange(key, 0, -1)]
        assert sorted(member.partition(":")[2] for member in own) == sorted(queued)
        waits_ms = sum(round(jobs[i].request.duration_s * 1000) for i in queued)
        assert int(self.client.hget(f"ostinato:turns:{MODEL}", "audio_ms") or 0) == waits_ms

    @invariant()
    def positions_count_the_line_through(self) -> None:
        positions = [self.store.reader.snapshot(job_id).position for job_id in self._waiting()]
        assert sorted(p for p in positions if p is not None) == list(range(len(positions)))

    @invariant()
    def each_log_ends_once_and_as_the_record_does(self) -> None:
        for job_id in self.accepted:
            status = self.store.reader.get(job_id).status
            kinds = [fields["type"] for _, fields in self.client.xrange(f"ostinato:events:{job_id}")]
            assert kinds[0] == "queued"
            assert [kind for kind in kinds if kind in ENDS] == ([status.value] if status.ended else [])
            assert not status.ended or kinds[-1] == status.value
            if status is Status.RUNNING:
                assert next(kind for kind in reversed(kinds) if kind != "progress") == "started"

    def teardown(self) -> None:
        """Workers come, one after another: every accepted job ends."""
        if not hasattr(self, "store"):
            return
        self.client.zadd("ostinato:leases", dict.fromkeys(self.client.zrange("ostinato:leases", 0, -1), 1) or {"x": 1})
        self.store.reap()
        for number in range(3 * len(self.accepted) + 3):
            job = self.store.claim(MODEL, f"last-{number}")
            if job is not None:
                key = f"results/{job.id}/{job.attempt}.wav"
                self.store.complete(job, Result(key, "audio/wav", 1, "0" * 64, 2.0, 32000, 1, 0.5, MADE_BY))
        assert all(self.store.reader.get(job_id).status.ended for job_id in self.accepted)
        assert not self.client.exists("ostinato:leases", "ostinato:deadlines")
        self.client.close()

    def _waiting(self) -> list[str]:
        lines = [self.client.zrange(f"ostinato:line:{name}:{MODEL}", 0, -1) for name in ("high", "normal", "low")]
        return [member.partition(":")[2] for line in lines for member in line]

    def _write(self, data: st.DataObject, write: Any) -> None:
        """By any attempt that ever was: only one that holds its job may."""
        job = data.draw(st.sampled_from(self.attempts))
        holder = self._standing_for(job)
        if holder is not None:
            with suppress(StaleAttempt):
                write(job)
        else:
            # the same complete again is the same answer; all else is refused
            try:
                write(job)
            except StaleAttempt:
                return
            assert self._last_of(job).status is Status.COMPLETED

    def _standing_for(self, job: Job) -> Job | None:
        last = self._last_of(job)
        return last if last.status is Status.RUNNING and last.attempt == job.attempt else None

    def _last_of(self, job: Job) -> Job:
        """The job that took over, and over again, from the one that was claimed."""
        job_id = job.id
        while heir := self.client.get(f"ostinato:successor:{job_id}"):
            job_id = heir
        try:
            return self.store.reader.get(job_id)
        except NotFound:
            return Job(job_id, MODEL, job.request, status=Status.CANCELLED)


@pytest.fixture
def machine(make_settings: Any, broker: EmbeddedBroker) -> Iterator[type[Machine]]:
    Machine.settings = make_settings(max_queue_length=MOST_WAITING, lease_s=60)
    yield Machine
    redis.Redis.from_url(broker.url).flushdb()


def test_whatever_happens_each_job_ends_once_and_nobody_is_charged_for_another(machine: type[Machine]) -> None:
    assert hypothesis.settings.default is not None
    examples = hypothesis.settings.default.max_examples // 2
    run_state_machine_as_test(
        machine, settings=hypothesis.settings(max_examples=examples, stateful_step_count=40, deadline=None)
    )
