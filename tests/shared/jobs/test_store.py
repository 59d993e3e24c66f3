from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from shared.broker.connection import connect
from shared.errors import (
    BrokerUnavailable,
    Conflict,
    GenerationFailed,
    NotFound,
    QueueFull,
    RecordTooNew,
    StaleAttempt,
    UnusableAudio,
)
from shared.jobs.job import Fingerprint, Job, Result, Stage, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.jobs.transitions import TRANSITIONS
from tests.submitting import submit_job

RESULT = Result(
    "results/x/1.wav", "audio/wav", 10, "0" * 64, 1.0, 32000, 1, 0.5, Fingerprint("digest", "engine", "fp32", "cpu")
)


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def submit(model: str = "tiny", account: str = "local", **changes: object) -> Job:
        return submit_job(store, request_for(model=model, **changes), model, account=account, source="tasks")

    return submit


@pytest.fixture
def hasty(client: redis.Redis, make_settings: Callable[..., Settings]) -> JobStore:
    """A store whose leases are over at once."""
    return JobStore(client, make_settings(lease_s=0.02))


def test_a_submitted_job_reads_back_as_it_was(store: JobStore, submit: Callable[..., Job]) -> None:
    job = submit(seed=7)
    assert store.reader.get(job.id) == job
    assert (job.status, job.seed, job.attempt) == (Status.QUEUED, 7, 0)
    assert abs(job.created_at - time.time()) < 5


def test_a_seed_is_drawn_at_submit_when_none_is_given(submit: Callable[..., Job]) -> None:
    assert submit().seed != submit().seed


def test_an_unknown_id_is_not_found(store: JobStore) -> None:
    with pytest.raises(NotFound, match="no-such-task"):
        store.reader.get("no-such-task")


def test_jobs_are_claimed_in_order_of_arrival_and_positions_count_down(
    store: JobStore, submit: Callable[..., Job]
) -> None:
    first, second, third = submit(), submit(), submit()
    assert [store.reader.snapshot(job.id).position for job in (first, second, third)] == [0, 1, 2]
    claimed = store.claim("tiny", "w1")
    assert claimed is not None
    assert (claimed.id, claimed.attempt, claimed.status, claimed.worker) == (first.id, 1, Status.RUNNING, "w1")
    assert [store.reader.snapshot(job.id).position for job in (first, second, third)] == [None, 0, 1]


def test_a_claim_finds_nothing_in_another_models_queue(store: JobStore, submit: Callable[..., Job]) -> None:
    submit(model="small")
    assert store.claim("tiny", "w1") is None


def test_many_claimers_never_share_a_job(store: JobStore, submit: Callable[..., Job]) -> None:
    submitted = {submit().id for _ in range(40)}
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda n: store.claim("tiny", f"w{n}"), range(60)))
    claimed = [job.id for job in claims if job]
    assert sorted(claimed) == sorted(submitted)


def test_a_full_queue_refuses_with_its_length_exactly_at_the_limit(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    store = JobStore(client, make_settings(max_queue_length=5))

    def try_submit(_: int) -> bool:
        try:
            submit_job(store, request_for(), "tiny", account="local", source="tasks")
            return True
        except QueueFull:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_submit, range(20))) == 5
    with pytest.raises(QueueFull, match=r"MAX_QUEUE_LENGTH \(5\) reached") as caught:
        submit_job(store, request_for(), "tiny", account="local", source="tasks")
    assert caught.value.details["queue_length"] == 5


def test_renewing_tells_the_progress_and_keeps_the_lease(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.renew(job, Stage.RUNNING, 30, 120)
    seen = store.reader.get(job.id)
    assert (seen.step, seen.steps, seen.progress()) == (30, 120, pytest.approx(24.8, abs=0.1))
    assert store.reap().requeued == ()


def test_completing_keeps_the_result_and_ends_the_lease(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.complete(job, RESULT)
    seen = store.reader.get(job.id)
    assert (seen.status, seen.result, seen.progress()) == (Status.COMPLETED, RESULT, 100.0)
    assert store.reader.running() == 0


def test_an_expired_lease_puts_the_job_back_at_its_old_place(hasty: JobStore, submit: Callable[..., Job]) -> None:
    first, second = submit(), submit()
    hasty.claim("tiny", "w1")
    time.sleep(0.05)
    assert hasty.reap().requeued == (first.id,)
    assert [hasty.reader.snapshot(job.id).position for job in (first, second)] == [0, 1]
    again = hasty.claim("tiny", "w2")
    assert again is not None
    assert (again.id, again.attempt, again.failures) == (first.id, 2, 1)


def test_a_late_attempt_cannot_write(hasty: JobStore, store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    late = hasty.claim("tiny", "w1")
    assert late is not None
    time.sleep(0.05)
    hasty.reap()
    current = store.claim("tiny", "w2")
    assert current is not None
    for write in (
        lambda: store.complete(late, RESULT),
        lambda: store.renew(late, Stage.RUNNING, 1, 2),
        lambda: store.fail(late, GenerationFailed("late")),
        lambda: store.requeue(late),
    ):
        with pytest.raises(StaleAttempt):
            write()
    store.complete(current, RESULT)
    with pytest.raises(StaleAttempt):
        store.complete(late, RESULT)
    assert store.reader.get(late.id).attempt == 2


def test_a_job_whose_workers_keep_dying_fails_with_worker_lost(
    client: redis.Redis, make_settings: Callable[..., Settings], submit: Callable[..., Job]
) -> None:
    store = JobStore(client, make_settings(lease_s=0.02, max_attempts=3))
    job = submit()
    for _ in range(3):
        assert store.claim("tiny", "w") is not None
        time.sleep(0.05)
        swept = store.reap()
    assert swept.failed == (job.id,)
    seen = store.reader.get(job.id)
    assert seen.error is not None
    assert (seen.status, seen.error.code, seen.attempt) == (Status.FAILED, "WORKER_LOST", 3)
    assert store.claim("tiny", "w") is None


def test_a_retryable_failure_runs_again_and_a_final_one_does_not(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    assert store.fail(job, UnusableAudio("silent")) is Status.QUEUED
    again = store.claim("tiny", "w1")
    assert again is not None
    final = GenerationFailed("bad weights")
    final.retryable = False
    assert store.fail(again, final) is Status.FAILED
    seen = store.reader.get(job.id)
    assert seen.error is not None
    assert seen.error.message == "bad weights"


def test_giving_back_is_not_a_failure(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.requeue(job)
    seen = store.reader.get(job.id)
    assert (seen.status, seen.failures, store.reader.snapshot(seen.id).position) == (Status.QUEUED, 0, 0)


def test_a_queued_job_is_cancelled_out_of_the_line(store: JobStore, submit: Callable[..., Job]) -> None:
    job = submit()
    assert store.cancel(job.id).status is Status.CANCELLED
    assert store.cancel(job.id).status is Status.CANCELLED
    assert store.claim("tiny", "w1") is None


def test_a_running_job_is_cancelled_and_its_worker_learns_of_it(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.cancel(job.id)
    with pytest.raises(StaleAttempt) as caught:
        store.renew(job, Stage.RUNNING, 1, 2)
    assert caught.value.details == {"status": "cancelled"}
    assert store.reader.running() == 0


def test_a_completed_job_cannot_be_cancelled_and_an_unknown_one_is_not_found(
    store: JobStore, submit: Callable[..., Job]
) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.complete(job, RESULT)
    with pytest.raises(Conflict, match="completed"):
        store.cancel(job.id)
    with pytest.raises(NotFound):
        store.cancel("no-such-task")


def test_the_list_is_newest_first_per_account_and_forgets_expired_records(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    mine = [submit() for _ in range(3)]
    submit(account="other")
    assert [job.id for job in store.reader.recent("local", limit=2)] == [mine[2].id, mine[1].id]
    client.delete(f"ostinato:job:{mine[2].id}")
    assert [job.id for job in store.reader.recent("local", limit=2)] == [mine[1].id, mine[0].id]
    assert store.reader.count("local") == 2


def test_an_ended_record_expires_and_a_waiting_one_does_not(
    store: JobStore, client: redis.Redis, settings: Settings, submit: Callable[..., Job]
) -> None:
    job = submit()
    assert client.ttl(f"ostinato:job:{job.id}") == -1
    store.cancel(job.id)
    assert 0 < client.ttl(f"ostinato:job:{job.id}") <= settings.result_ttl_s


def test_a_record_of_a_later_schema_is_refused_by_name(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    job = submit()
    client.hset(f"ostinato:job:{job.id}", "schema", 99)
    with pytest.raises(RecordTooNew, match="99"):
        store.reader.get(job.id)


def test_a_broker_that_is_away_is_told_within_its_timeout(make_settings: Callable[..., Settings]) -> None:
    away = make_settings(redis_url="redis://127.0.0.1:1/0", redis_timeout_s=0.5)
    since = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        JobStore(connect(away), away).reader.get("x")
    assert time.monotonic() - since < 1.5


def test_completing_again_because_the_answer_was_lost_is_the_same_answer(
    store: JobStore, submit: Callable[..., Job]
) -> None:
    submit()
    job = store.claim("tiny", "w1")
    assert job is not None
    store.complete(job, RESULT)
    store.complete(job, RESULT)
    assert store.reader.get(job.id).result == RESULT


def test_a_job_of_a_later_schema_waits_for_a_newer_worker_and_holds_nobody_up(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    later, now = submit(), submit()
    client.hset(f"ostinato:job:{later.id}", "schema", 99)
    claimed = store.claim("tiny", "w1")
    assert claimed is not None
    assert claimed.id == now.id
    assert store.claim("tiny", "w1") is None
    assert client.hget(f"ostinato:job:{later.id}", "status") == "queued"
    assert [job.id for job in store.reader.recent("local", limit=5)] == [now.id]


@pytest.mark.parametrize("start", list(Status))
def test_every_transition_that_happens_is_a_legal_one(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job], start: Status
) -> None:
    """Each operation on a job in each status: it changes to a status that the table allows, or not at all."""
    final = GenerationFailed("final")
    final.retryable = False
    operations: list[Callable[[Job], object]] = [
        lambda job: store.claim("tiny", "w"),
        lambda job: store.complete(job, RESULT),
        lambda job: store.fail(job, GenerationFailed("again")),
        lambda job: store.fail(job, final),
        lambda job: store.requeue(job),
        lambda job: store.cancel(job.id),
    ]
    for operate in operations:
        client.flushdb()
        job = submit()
        if start is not Status.QUEUED:
            claimed = store.claim("tiny", "w1")
            assert claimed is not None
            job = claimed
        client.hset(f"ostinato:job:{job.id}", "status", start)
        with suppress(StaleAttempt, Conflict):
            operate(job)
        end = store.reader.get(job.id).status
        assert end == start or end in TRANSITIONS[start]
