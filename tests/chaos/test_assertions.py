"""The assertions of a chaos run fail when a promise is broken: each kind of damage is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from chaos.assertions import Figures, assess, count_jobs, percentile, recovery_s
from chaos.client import SubmittedJob
from chaos.faults import Damage, Interruption
from chaos.plan import JobSpec, Plan
from chaos.receiver import Receiver

PLAN = Plan(jobs=2, kills=1, broker_kills=0, storage_stops=0)
CUT_AT = 1000.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def jobs() -> list[SubmittedJob]:
    """Two good ones."""

    def job(number: int) -> SubmittedJob:
        digest = f"digest-{number}"
        spec = JobSpec(number, f"key-{number}", 0.0, number, {})
        return SubmittedJob(spec, f"task-{number}", "completed", {"attempts": 2}, digest, digest)

    return [job(0), job(1)]


@pytest.fixture
def verdict(client: redis.Redis, receiver: Receiver, jobs: list[SubmittedJob]) -> Callable[[], Figures]:
    """Return the figures of those jobs, after a run in which all went well but what the test has changed since."""
    for job in jobs:
        receiver.delivered[job.task_id, "completed"] = {f"msg-{job.task_id}"}
        say(client, job.task_id, "started", 1, CUT_AT - 1)
        say(client, job.task_id, "started", 2, CUT_AT + 4)
        say(client, job.task_id, "completed", 2, CUT_AT + 9)
    damage = Damage(kills=1, killed_at=[CUT_AT], interruptions=[Interruption("task-0", 1, "w1", CUT_AT)])
    return lambda: assess(jobs, {0: "digest-0", 1: "digest-1"}, receiver, damage, client)


def say(client: redis.Redis, task_id: str, kind: str, attempt: int, at: float) -> None:
    client.xadd(f"ostinato:events:{task_id}", {"type": kind, "attempt": attempt, "at_ms": round(at * 1000)})


def test_a_run_in_which_all_went_well_is_good(verdict: Callable[[], Figures]) -> None:
    figures = verdict()
    assert figures.good(PLAN)
    assert (figures.completed, figures.recovery_p95_s, figures.jobs_rerun) == (2, 4.0, 2)


def test_a_lost_job_is_found(verdict: Callable[[], Figures], jobs: list[SubmittedJob]) -> None:
    jobs[1].status = "failed"
    figures = verdict()
    assert (figures.lost, figures.good(PLAN)) == (1, False)


def test_a_job_that_completed_twice_is_found(verdict: Callable[[], Figures], client: redis.Redis) -> None:
    say(client, "task-1", "completed", 1, CUT_AT + 10)
    figures = verdict()
    assert (figures.doubled, figures.good(PLAN)) == (1, False)


def test_a_result_that_was_overwritten_later_is_found(verdict: Callable[[], Figures], jobs: list[SubmittedJob]) -> None:
    jobs[0].digest_later = "another"
    figures = verdict()
    assert (figures.doubled, figures.good(PLAN)) == (1, False)


def test_bytes_of_another_seed_are_found(verdict: Callable[[], Figures], jobs: list[SubmittedJob]) -> None:
    jobs[0].digest = jobs[0].digest_later = "digest-1"
    figures = verdict()
    assert (figures.wrong_bytes, figures.good(PLAN)) == (1, False)


@pytest.mark.parametrize(("ids", "missing", "doubled"), [(set(), 1, 0), ({"a", "b"}, 0, 1)])
def test_a_missing_or_doubled_webhook_is_found(
    verdict: Callable[[], Figures], receiver: Receiver, ids: set[str], missing: int, doubled: int
) -> None:
    receiver.delivered["task-0", "completed"] = ids
    figures = verdict()
    assert (figures.webhooks_missing, figures.webhooks_doubled, figures.good(PLAN)) == (missing, doubled, False)


def test_fewer_kills_than_planned_are_not_good(verdict: Callable[[], Figures]) -> None:
    assert not verdict().good(Plan(jobs=2, kills=2, broker_kills=0, storage_stops=0))


def test_recovery_ends_with_the_next_attempts_start() -> None:
    cut = Interruption("task", 2, "w1", CUT_AT)
    events = [("started", 1, CUT_AT - 9), ("started", 2, CUT_AT - 1), ("requeued", 0, CUT_AT + 6)]
    assert recovery_s(cut, events) is None
    assert recovery_s(cut, [*events, ("started", 3, CUT_AT + 7)]) == 7.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0


def test_jobs_on_record_are_counted(client: redis.Redis) -> None:
    for number in range(3):
        client.hset(f"ostinato:job:{number}", "status", "queued")
    assert count_jobs(client) == 3
