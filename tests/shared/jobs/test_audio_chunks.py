"""The sound of a streamed job in Redis, over a real broker: fenced, numbered without gaps, bounded in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from shared.broker.counters import Counters
from shared.errors import GenerationFailed, StaleAttempt
from shared.jobs.audio_chunks import START, Chunk, ChunkStore, Kind
from shared.jobs.job import Fingerprint, Job, Result, Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.shared.steps import claim
from tests.submitting import submit_job

RATE_HZ = 32_000
PRINT = Fingerprint("d", "e", "fp32", "cpu")
RESULT = Result("results/a.wav", "audio/wav", 1, "0" * 64, 2.0, RATE_HZ, 1, 1.0, PRINT)


@pytest.fixture
def chunks(client: redis.Redis, settings: Settings) -> ChunkStore:
    return ChunkStore(client, settings)


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def submit(**how: object) -> Job:
        changes = {"stream": True, "seed": 7}
        return submit_job(store, request_for(**changes), "tiny", **({"account": "local", "source": "tasks"} | how))

    return submit


def entries(job: Job, count: int = 3, ended: bool = False) -> list[Chunk]:
    kinds: list[Kind] = ["begin" if job.attempt == 1 else "restart", *(["audio"] * count), *(["end"] * ended)]  # type: ignore[list-item]
    return [
        Chunk(job.attempt, n, kind, RATE_HZ, 1, bytes([job.attempt, n, 255, 0]) if kind == "audio" else b"")
        for n, kind in enumerate(kinds, 1)
    ]


def test_what_is_written_is_read_back_whole_and_in_order(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job]
) -> None:
    submit()
    job = claim(store)
    told = entries(job, 5, ended=True)
    assert chunks.write(job, told[:2]) == 2
    assert chunks.write(job, told[2:]) == 7
    assert chunks.read(job.id) == told
    assert chunks.read(job.id, told[2].position, count=2) == told[3:5]
    assert [chunk.sequence for chunk in told if chunk.kind == "audio"] == [0, 1, 2, 3, 4]
    head = chunks.heads([job.id, "nobody"])
    assert head["nobody"] is None
    assert head[job.id] is not None
    assert (head[job.id].status, head[job.id].last, head[job.id].source) == (Status.RUNNING, (1, 7), job.id)


def test_an_entry_is_written_once_and_a_gap_never(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job], client: redis.Redis
) -> None:
    """The answer to a write may be lost; and a Redis that comes back may have lost its last second."""
    submit()
    job = claim(store)
    told = entries(job, 5)
    for _ in range(2):
        assert chunks.write(job, told[:4]) == 4
    assert chunks.write(job, told[5:]) == 4, "the fifth is missing: send it first"
    assert chunks.read(job.id) == told[:4]
    client.delete(f"ostinato:chunks:{job.id}")
    client.hdel(f"ostinato:job:{job.id}", "chunk")
    assert chunks.write(job, told[4:]) == 0
    assert chunks.write(job, told) == 6
    assert chunks.read(job.id) == told


def test_a_late_attempt_writes_nothing_and_a_new_one_takes_the_old_sound_away(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job]
) -> None:
    submit()
    first = claim(store)
    chunks.write(first, entries(first))
    store.fail(first, GenerationFailed("once"))
    with pytest.raises(StaleAttempt):
        chunks.write(first, entries(first)[3:])
    assert chunks.read(first.id) == entries(first), "until a new attempt begins, a late joiner hears the old one"
    second = claim(store, "w2")
    with pytest.raises(StaleAttempt):
        chunks.write(first, entries(first)[3:])
    chunks.write(second, entries(second)[:1])
    (restart,) = chunks.read(first.id)
    assert (restart.kind, restart.attempt) == ("restart", 2)
    assert chunks.read(first.id, (1, 3)) == [restart], "whoever has heard the first attempt is told"
    store.cancel(second.id)
    with pytest.raises(StaleAttempt) as stale:
        chunks.write(second, entries(second))
    assert stale.value.details["status"] == "cancelled"


def test_the_attempt_that_completed_it_may_ask_again_and_nobody_else(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job], client: redis.Redis
) -> None:
    """The answer to its completion was lost, so it begins anew with what comes before that."""
    submit()
    first = claim(store)
    chunks.write(first, entries(first))
    store.fail(first, GenerationFailed("once"))
    job = claim(store)
    told = entries(job, 4, ended=True)
    chunks.write(job, told)
    store.complete(job, RESULT)
    for _ in range(2):
        assert chunks.write(job, told[-1:]) == 6
    assert chunks.read(job.id) == told
    assert client.ttl(f"ostinato:chunks:{job.id}") > 0
    with pytest.raises(StaleAttempt):
        chunks.write(first, entries(first)[3:])


def test_workers_of_an_older_version_leave_a_streamed_job_alone(
    submit: Callable[..., Job], client: redis.Redis
) -> None:
    """They refuse its request, which has a field that they do not know, only after they have claimed it."""
    assert client.hget(f"ostinato:job:{submit().id}", "schema") == "3"


def test_chunks_stay_while_the_job_lives_and_expire_soon_after_its_end(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job], client: redis.Redis, settings: Settings
) -> None:
    submit()
    job = claim(store)
    key = f"ostinato:chunks:{job.id}"
    chunks.write(job, entries(job))
    assert client.ttl(key) == -1
    store.fail(job, GenerationFailed("once"))
    assert client.ttl(key) == -1
    again = claim(store)
    chunks.write(again, entries(again, ended=True))
    assert client.ttl(key) == -1
    store.complete(again, RESULT)
    assert 0 < client.ttl(key) <= settings.chunks_ttl_s < settings.result_ttl_s
    assert chunks.read(job.id)[-1].kind == "end"
    store.purge(job.id)
    assert not client.exists(key)
    assert chunks.read(job.id) == []


def test_who_shares_a_generation_hears_it_too_and_goes_on_hearing_when_its_leader_leaves(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job]
) -> None:
    leader, follower, other = (submit(fingerprint=PRINT) for _ in range(3))
    job = claim(store)
    assert (job.id, store.reader.get(follower.id).primary_id) == (leader.id, leader.id)
    told = entries(job, 4, ended=True)
    chunks.write(job, told[:3])
    heads = chunks.heads([leader.id, follower.id])
    assert [head and (head.source, head.last) for head in heads.values()] == [(leader.id, (1, 3))] * 2
    store.cancel(leader.id)
    chunks.write(job, told[3:])
    for listener in (follower, other):
        head = chunks.heads([listener.id])[listener.id]
        assert head is not None
        assert (head.source, head.last, head.status) == (follower.id, (1, 6), Status.RUNNING)
        assert chunks.read(head.source, (1, 2)) == told[2:]
    assert chunks.read(leader.id) == []
    store.complete(job, RESULT)
    assert chunks.heads([other.id])[other.id].status is Status.COMPLETED
    assert chunks.read(follower.id, START) == told


def test_the_time_to_the_first_chunk_is_counted_once_a_job(
    store: JobStore, chunks: ChunkStore, submit: Callable[..., Job], client: redis.Redis
) -> None:
    submit()
    job = claim(store)
    chunks.write(job, entries(job)[:1])
    assert not [field for field in Counters(client).read() if field[0].startswith("first_chunk")]
    chunks.write(job, entries(job))
    store.fail(job, GenerationFailed("once"))
    again = claim(store)
    chunks.write(again, entries(again))
    counted = Counters(client).read()
    for since in ("accepted", "started"):
        buckets = [n for field, n in counted.items() if field[:3] == ("first_chunk", "tiny", since)]
        assert buckets == [1]
        assert 0 <= counted["first_chunk_ms", "tiny", since] < 60_000
