"""Jobs that wait for others: nothing is forgotten, and each failure says where it began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from shared.errors import Conflict, GenerationFailed, QueueFull
from shared.jobs.job import Job, Stage, Status
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.steps import FINAL, Requests, claim, finish, kinds, result_for, standing
from tests.submitting import submit_job


def submit(store: JobStore, request: MusicRequest, *after: str, **how: Any) -> Job:
    return submit_job(store, request, "tiny", account="local", source="tasks", after=after, **how)


def test_a_job_stands_outside_the_line_until_all_that_it_waits_for_has_completed(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    first, second = (submit(store, request_for(prompt=name)) for name in "ab")
    waits = submit(store, request_for(prompt="c"), first.id, second.id)
    assert standing(store, waits.id) == (Status.QUEUED, Stage.WAITING, None)
    assert store.reader.waiting() == {"tiny": 2}
    assert finish(store) == [first.id]
    assert store.reader.get(waits.id).stage is Stage.WAITING
    assert finish(store) == [second.id]
    assert standing(store, waits.id) == (Status.QUEUED, Stage.QUEUED, 0)
    assert finish(store) == [waits.id]
    assert kinds(client, waits.id) == ["queued", "queued", "started", "completed"]
    left = [key for key in client.scan_iter() if ":after:" in key or ":dependents:" in key or key.endswith(":held")]
    assert left == []
    assert client.hget("ostinato:turns:tiny", "held") == "0"


def test_the_script_that_completes_the_last_one_pushes_the_ticket(
    store: JobStore, client: redis.Redis, settings: Settings, request_for: Requests
) -> None:
    tickets = Tickets(make_celery(settings), settings)
    first = submit(store, request_for(), ticket=tickets.write("tiny"))
    submit(store, request_for(), first.id, ticket=tickets.write("tiny"))
    assert client.llen("ostinato.tiny") == 1, "nobody is called for a job that cannot start"
    client.delete("ostinato.tiny")
    finish(store)
    assert client.llen("ostinato.tiny") == 1
    assert "ostinato.ticket" in client.lindex("ostinato.tiny", 0)


def test_what_it_waits_for_may_have_completed_already(store: JobStore, request_for: Requests) -> None:
    first = submit(store, request_for())
    finish(store)
    assert standing(store, submit(store, request_for(), first.id).id) == (Status.QUEUED, Stage.QUEUED, 0)


@pytest.mark.parametrize("end", ["failed", "cancelled", "gone"])
def test_nobody_can_wait_for_a_job_that_will_never_complete(
    store: JobStore, client: redis.Redis, request_for: Requests, end: str
) -> None:
    first = submit(store, request_for())
    if end == "failed":
        store.fail(claim(store), FINAL)
    else:
        store.cancel(first.id)
    if end == "gone":
        store.purge(first.id)
    keys = set(client.scan_iter())
    with pytest.raises(Conflict, match=f"is {end}"):
        submit(store, request_for(), first.id, idempotency_key="k")
    assert set(client.scan_iter()) == keys, "nothing of it was written"


def test_a_failure_goes_down_the_chain_in_one_script_and_names_where_it_began(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    first = submit(store, request_for())
    second = submit(store, request_for(), first.id)
    third = submit(store, request_for(), second.id)
    store.fail(claim(store), FINAL)
    for job_id in (second.id, third.id):
        job = store.reader.get(job_id)
        assert job.status is Status.FAILED
        assert job.error is not None
        assert job.error.code == "PREDECESSOR_FAILED"
        assert job.error.message == f"task {first.id}, which this one waited for, failed: out of ideas"
        assert job.error.details["reason"] == {"code": "GENERATION_FAILED", "message": "out of ideas"}
        assert kinds(client, job_id) == ["queued", "failed"]
    assert client.hget("ostinato:turns:tiny", "held") == "0"


def test_a_failed_attempt_that_is_tried_again_fails_nobody(store: JobStore, request_for: Requests) -> None:
    first = submit(store, request_for())
    waits = submit(store, request_for(), first.id)
    assert store.fail(claim(store), GenerationFailed("once")) is Status.QUEUED
    assert store.reader.get(waits.id).stage is Stage.WAITING
    finish(store)
    assert finish(store) == [waits.id]


def test_a_job_that_waits_for_others_can_be_cancelled_and_run_out_of_time(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    first = submit(store, request_for())
    one, other = (submit(store, request_for(ttl_s=ttl_s), first.id) for ttl_s in (None, 60))
    store.cancel(one.id)
    client.zadd("ostinato:deadlines", {other.id: 1})
    store.reap()
    error = store.reader.get(other.id).error
    assert error is not None
    assert error.code == "EXPIRED"
    finish(store)
    assert store.claim("tiny", "w1") is None
    assert [store.reader.get(job.id).status for job in (one, other)] == [Status.CANCELLED, Status.FAILED]


def test_what_an_older_process_ended_is_noticed_by_the_reaper(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    good, bad = (submit(store, request_for()) for _ in range(2))
    waits, fails = submit(store, request_for(), good.id), submit(store, request_for(), bad.id)
    client.hset(f"ostinato:job:{good.id}", "status", "completed")
    client.hset(f"ostinato:job:{bad.id}", "status", "cancelled")
    store.reap()
    assert store.reader.get(waits.id).stage is Stage.QUEUED
    error = store.reader.get(fails.id).error
    assert error is not None
    assert error.message.endswith("was cancelled")


def test_an_accounts_bound_holds_for_those_who_come_into_the_line(store: JobStore, request_for: Requests) -> None:
    first = submit(store, request_for(), concurrent=1)
    waits = [submit(store, request_for(), first.id) for _ in range(3)]
    finish(store)
    running = claim(store)
    assert store.claim("tiny", "w2") is None
    store.complete(running, result_for(running))
    assert {running.id, *finish(store), *finish(store)} == {job.id for job in waits}


def test_those_who_wait_count_when_the_line_is_full(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Requests
) -> None:
    store = JobStore(client, make_settings(max_queue_length=3))
    first = submit(store, request_for())
    submit(store, request_for(), first.id)
    submit(store, request_for(), first.id)
    with pytest.raises(QueueFull):
        submit(store, request_for())
