"""Many jobs accepted in one step: whole or not at all, exact under concurrency, one record that outlives them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from shared.broker.connection import connect
from shared.errors import IdempotencyConflict, NotFound, QueueFull
from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.batch_store import Batch, BatchStore
from shared.jobs.idempotency import IdempotencyKeys, IdempotencyRecord
from shared.jobs.job import Job, Status, new_id
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.steps import MADE_BY, claim, result_for
from tests.submitting import submit_job


def accept(
    store: JobStore,
    requests: list[MusicRequest],
    *,
    model: str = "tiny",
    account: str = "local",
    key: str | None = None,
    digest: str = "d",
    tickets: Tickets | None = None,
    gone: tuple[str, ...] = (),
) -> Batch:
    batch_id, new_jobs = new_id(), []
    for request in requests:
        named = request.model if request.model != "tiny" else model
        job = Job(new_id(), named, request, account, "tasks", batch=batch_id)
        new_jobs.append(NewJob.of(job, MADE_BY, tickets.write(named) if tickets else None))
    context = SubmitContext(
        account,
        idempotency=None if key is None else IdempotencyRecord(key, digest),
        is_kept=lambda result: result.key not in gone,
        batch_id=batch_id,
    )
    accepted = store.accept(new_jobs, context)
    return accepted.batch or BatchStore(store._redis, store._settings).get(accepted.id)


@pytest.fixture
def batches(client: redis.Redis, settings: Settings) -> BatchStore:
    return BatchStore(client, settings)


@pytest.fixture
def keys(client: redis.Redis, store: JobStore) -> IdempotencyKeys:
    return IdempotencyKeys(client, store.reader)


def statuses(batch: Batch) -> list[Status]:
    return [member.status for member in batch.members]


def test_a_batch_stands_in_line_in_the_order_of_its_requests_with_a_ticket_each(
    store: JobStore, client: redis.Redis, settings: Settings, request_for: Callable[..., MusicRequest]
) -> None:
    tickets = Tickets(make_celery(settings), settings)
    before = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    batch = accept(store, [request_for(prompt=f"piece {n}") for n in range(100)], tickets=tickets)
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1, "one round trip"
    assert [member.snapshot and member.snapshot.position for member in batch.members] == list(range(100))
    assert client.llen("ostinato.tiny") == 100
    ids = [member.job_id for member in batch.members]
    assert [claim(store).id for _ in range(100)] == ids
    assert store.reader.get(ids[0]).batch == batch.id


def test_a_line_without_room_for_all_of_it_takes_none_of_it(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    store = JobStore(client, make_settings(max_queue_length=5))
    accept(store, [request_for()] * 3)
    keys = set(client.scan_iter())
    with pytest.raises(QueueFull) as refused:
        accept(store, [request_for()] * 3, key="k")
    assert (refused.value.queue_length, refused.value.needed, refused.value.model) == (3, 3, "tiny")
    assert set(client.scan_iter()) == keys, "nothing of it was written"
    accept(store, [request_for()] * 2)
    assert store.reader.waiting() == {"tiny": 5}


def test_each_model_of_a_batch_needs_room_in_its_own_line(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    store = JobStore(client, make_settings(max_queue_length=2))
    mixed = [request_for(), request_for(model="small"), request_for(), request_for(model="small")]
    accept(store, mixed)
    assert store.reader.waiting() == {"small": 2, "tiny": 2}
    store.cancel(claim(store).id)
    with pytest.raises(QueueFull) as refused:
        accept(store, [request_for(), request_for(model="small")])
    assert refused.value.model == "small"
    assert store.reader.waiting() == {"small": 2, "tiny": 1}


def test_the_bound_is_exact_when_many_batches_come_at_once(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    settings = make_settings(max_queue_length=50)
    stores = [JobStore(connect(settings), settings) for _ in range(8)]

    def ask(number: int) -> tuple[int, int]:
        size = 1 + number % 7
        try:
            return len(accept(stores[number % 8], [request_for()] * size).members), 51
        except QueueFull as full:
            return 0, full.queue_length + size

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(80)))
    assert all(would_be > 50 for _, would_be in asked), "one that would have fitted was refused"
    taken = sum(size for size, _ in asked)
    assert taken == stores[0].reader.waiting()["tiny"] <= 50
    assert taken >= 44, "all that is left is smaller than the largest batch"


def test_equal_requests_of_a_batch_share_one_generation_and_need_one_place(
    batches: BatchStore,
    client: redis.Redis,
    make_settings: Callable[..., Settings],
    request_for: Callable[..., MusicRequest],
) -> None:
    store = JobStore(client, make_settings(max_queue_length=2))
    batch = accept(store, [request_for(seed=1), request_for(seed=1), request_for(seed=2), request_for(seed=1)])
    leader = batch.members[0].job_id
    leaders = [member.snapshot.job.primary_id for member in batch.members if member.snapshot]
    assert leaders == [None, leader, None, leader]
    assert store.reader.waiting() == {"tiny": 2}
    store.complete(job := claim(store), result_for(job))
    assert statuses(batches.get(batch.id)) == ["completed", "completed", "queued", "completed"]


def test_an_equal_request_of_higher_priority_does_not_wait_behind_the_lower_one(
    store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    low, high, normal = (request_for(seed=1, priority=priority) for priority in ("low", "high", "normal"))
    batch = accept(store, [low, high, normal])
    looks = [member.snapshot for member in batch.members]
    assert [look.job.primary_id for look in looks if look] == [None, None, batch.members[1].job_id]


def test_what_is_kept_is_answered_at_once_unless_its_audio_is_gone(
    batches: BatchStore, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    first = accept(store, [request_for(seed=1)])
    store.complete(job := claim(store), result_for(job, "results/kept.wav"))
    second = accept(store, [request_for(seed=1), request_for(seed=2)])
    assert statuses(second) == ["completed", "queued"]
    cache_key = NewJob.of(Job("x", "tiny", request_for(seed=1)), MADE_BY, None).cache_key
    assert [result.key for result in store.reader.cached_results([cache_key])] == ["results/kept.wav"]
    third = accept(store, [request_for(seed=1), request_for(seed=1)], gone=("results/kept.wav",))
    assert statuses(third) == ["queued", "queued"]
    assert third.members[1].snapshot is not None
    assert third.members[1].snapshot.job.primary_id == third.members[0].job_id
    assert statuses(batches.get(first.id)) == ["completed"]


def test_cancelling_ends_all_that_has_not_ended_and_nothing_else(
    batches: BatchStore, store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    batch = accept(store, [request_for(seed=n % 3) for n in range(6)])
    other = submit_job(store, request_for(seed=0), "tiny", account="local", source="tasks", fingerprint=MADE_BY)
    store.complete(job := claim(store), result_for(job))
    running = claim(store)
    after = batches.cancel(batch.id)
    assert statuses(after) == ["completed", "cancelled", "cancelled", "completed", "cancelled", "cancelled"]
    assert store.reader.get(other.id).status is Status.COMPLETED
    assert store.reader.get(running.id).status is Status.CANCELLED
    assert store.claim("tiny", "w1") is None
    assert client.zcard("ostinato:leases") == 0
    assert statuses(batches.cancel(batch.id)) == statuses(after), "twice is fine"


def test_a_stranger_that_shares_a_cancelled_jobs_music_keeps_it(
    batches: BatchStore, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    batch = accept(store, [request_for(seed=1), request_for(seed=1)])
    stranger = submit_job(store, request_for(seed=1), "tiny", account="local", source="tasks", fingerprint=MADE_BY)
    batches.cancel(batch.id)
    assert claim(store).id == stranger.id


def test_the_record_expires_after_the_last_end_and_knows_how_those_ended_whose_records_are_gone(
    batches: BatchStore,
    store: JobStore,
    client: redis.Redis,
    settings: Settings,
    request_for: Callable[..., MusicRequest],
) -> None:
    batch = accept(store, [request_for(), request_for()])
    key = f"ostinato:batch:{batch.id}"
    store.complete(job := claim(store), result_for(job))
    assert client.ttl(key) == -1, "one of it has not ended"
    store.purge(job.id)
    seen = batches.get(batch.id)
    assert statuses(seen) == ["completed", "queued"]
    assert seen.members[0].snapshot is None
    batches.cancel(batch.id)
    assert 0 < client.ttl(key) <= settings.result_ttl_s
    with pytest.raises(NotFound, match="no batch 'x'"):
        batches.get("x")
    with pytest.raises(NotFound):
        batches.cancel("x")


def test_one_key_is_one_batch_and_never_also_a_single_job(
    keys: IdempotencyKeys, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    first = accept(store, [request_for()] * 2, key="k")
    assert accept(store, [request_for()] * 2, key="k").id == first.id
    assert accept(store, [request_for()] * 2, key="k", account="other").id != first.id
    with pytest.raises(IdempotencyConflict):
        accept(store, [request_for()] * 3, key="k", digest="other")
    with pytest.raises(IdempotencyConflict):
        submit_job(store, request_for(), "tiny", account="local", source="tasks", idempotency_key="k")
    submit_job(store, request_for(), "tiny", account="local", source="tasks", idempotency_key="single")
    with pytest.raises(IdempotencyConflict):
        accept(store, [request_for()], key="single")
    assert keys.submitted_before("local", IdempotencyRecord("k", "d")) == first.id
    assert keys.submitted_before("local", IdempotencyRecord("new", "d")) is None


def test_a_key_is_free_for_another_request_once_what_it_stood_for_is_gone(
    keys: IdempotencyKeys, store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    job = submit_job(store, request_for(), "tiny", account="local", source="tasks", idempotency_key="single")
    batch = accept(store, [request_for()], key="many")
    others = [IdempotencyRecord(key, "another digest") for key in ("single", "many")]
    for other in others:
        with pytest.raises(IdempotencyConflict):
            keys.submitted_before("local", other)
    store.cancel(job.id)
    store.purge(job.id)
    client.delete(f"ostinato:batch:{batch.id}")
    assert [keys.submitted_before("local", other) for other in others] == [None, None]


def test_concurrent_twins_make_one_batch(store: JobStore, request_for: Callable[..., MusicRequest]) -> None:
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: accept(store, [request_for()] * 3, key="k"), range(16)))
    assert len({batch.id for batch in batches}) == 1
    assert store.reader.waiting() == {"tiny": 3}


def test_accounts_take_turns_however_large_a_batch_is(
    store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    accept(store, [request_for()] * 20, account="crowd")
    single = submit_job(store, request_for(), "tiny", account="one", source="tasks")
    assert single.id in [claim(store).id for _ in range(2)]
