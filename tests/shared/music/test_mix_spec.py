"""Compositions: parts and a mix that waits for them, accepted together, ending once each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from shared.broker.connection import connect
from shared.errors import Conflict, IdempotencyConflict, QueueFull, StaleAttempt
from shared.jobs.acceptance import NewJob, SubmitContext
from shared.jobs.event_log import EventLog
from shared.jobs.idempotency import IdempotencyRecord
from shared.jobs.job import Job, Stage, Status, new_id
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets
from shared.music.mix_spec import MixSpec, Part
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from tests.shared.steps import FINAL, MADE_BY, Requests, claim, finish, kinds, result_for
from tests.submitting import submit_job


def compose(
    store: JobStore,
    request_for: Requests,
    names: Sequence[str] = ("piano", "bass", "drums"),
    *,
    following: Sequence[str] = (),
    tickets: Tickets | None = None,
    key: str | None = None,
    account: str = "local",
    seed: int | None = None,
    **wish: Any,
) -> tuple[str, dict[str, str]]:
    """(the mix's id, those of its parts by name). The parts named in `following` wait for the first one."""
    whole, ids = new_id(), {name: new_id() for name in names}
    first = ids[names[0]]
    composition = MixSpec(tuple(Part(*pair) for pair in ids.items()), 120, "A minor")
    new_jobs: list[NewJob] = []
    for name, part_id in ids.items():
        waits = {"after": (first,), "melody_of": first} if name in following else {}
        request = request_for(prompt=name, seed=seed)
        job = Job(part_id, "tiny", request, account, part=name, composition_id=whole, **waits)
        made_from = [new_jobs[0].cache_key] if waits else []
        new_jobs.append(NewJob.of(job, MADE_BY, tickets and tickets.write("tiny"), made_from))
    mix = Job(
        whole, "tiny", request_for(seed=seed, **wish), account, after=tuple(ids.values()), composition=composition
    )
    stems = [new_job.cache_key for new_job in new_jobs]
    new_jobs.append(NewJob.of(mix, MADE_BY, tickets and tickets.write("tiny"), stems))
    record = None if key is None else IdempotencyRecord(key, "digest")
    return store.accept(new_jobs, SubmitContext(account, idempotency=record)).id, ids


def submit(store: JobStore, request: MusicRequest, *after: str, **how: Any) -> Job:
    return submit_job(store, request, "tiny", account="local", source="tasks", after=after, **how)


def test_parts_are_in_line_at_once_the_mix_after_them_and_the_list_shows_one_task(
    store: JobStore, request_for: Requests
) -> None:
    whole, parts = compose(store, request_for)
    assert [store.reader.snapshot(part_id).position for part_id in parts.values()] == [0, 1, 2]
    assert [job.id for job in store.reader.recent("local", limit=9)] == [whole]
    assert set(finish(store, 3)) == set(parts.values())
    job = claim(store)
    assert job.id == whole
    assert job.composition is not None
    assert [(part.name, part.task_id) for part in job.composition.parts] == list(parts.items())


def test_later_parts_wait_for_the_first_and_know_whose_melody_they_take(store: JobStore, request_for: Requests) -> None:
    whole, parts = compose(store, request_for, following=["bass"])
    assert set(finish(store, 2)) == {parts["piano"], parts["drums"]}
    bass = claim(store)
    assert (bass.id, bass.melody_of) == (parts["bass"], parts["piano"])
    store.complete(bass, result_for(bass))
    assert finish(store) == [whole]


@pytest.mark.parametrize("following", [(), ("bass", "drums")])
def test_a_failed_part_fails_the_whole_by_name_ends_the_others_and_keeps_what_is_made(
    store: JobStore, request_for: Requests, following: tuple[str, ...]
) -> None:
    whole, parts = compose(store, request_for, ("piano", "organ", "bass", "drums"), following=following)
    one, other = claim(store), claim(store)
    store.complete(other, result_for(other))
    store.fail(one, FINAL)
    job = store.reader.get(whole)
    assert (job.status, one.part, other.part) == (Status.FAILED, "piano", "organ")
    assert job.error is not None
    assert job.error.code == "PART_FAILED"
    assert job.error.message == f'the part "piano" (task {parts["piano"]}) failed: out of ideas'
    assert job.error.details == {
        "part": "piano",
        "task_id": parts["piano"],
        "status": "failed",
        "reason": {"code": "GENERATION_FAILED", "message": "out of ideas"},
    }
    assert store.reader.get(parts["organ"]).result is not None
    assert {store.reader.get(parts[name]).status for name in ("bass", "drums")} == {Status.CANCELLED}
    assert store.claim("tiny", "w1") is None


def test_cancelling_the_mix_ends_its_parts_and_cancelling_a_part_fails_the_mix(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    whole, parts = compose(store, request_for, following=["bass"])
    running = claim(store)
    store.cancel(whole)
    assert {store.reader.get(part_id).status for part_id in parts.values()} == {Status.CANCELLED}
    assert client.zcard("ostinato:leases") == 0
    with pytest.raises(StaleAttempt):
        store.complete(running, result_for(running))
    other, parts = compose(store, request_for)
    store.cancel(parts["bass"])
    error = store.reader.get(other).error
    assert error is not None
    assert error.details["part"] == "bass"
    assert error.message.endswith("was cancelled")
    assert store.reader.waiting() == {"tiny": 0}


def test_the_compositions_time_runs_from_its_first_parts_start(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    whole, parts = compose(store, request_for, ttl_s=60, timeout_s=600)
    before = client.zscore("ostinato:deadlines", whole)
    claim(store)
    after = client.zscore("ostinato:deadlines", whole)
    assert before is not None
    assert after > before + 500_000
    client.zadd("ostinato:deadlines", {whole: 1})
    store.reap()
    error = store.reader.get(whole).error
    assert error is not None
    assert error.code == "TIMEOUT"
    assert {store.reader.get(part_id).status for part_id in parts.values()} == {Status.CANCELLED}


def test_the_mix_is_told_how_far_its_parts_are(store: JobStore, client: redis.Redis, request_for: Requests) -> None:
    whole, _ = compose(store, request_for, ("piano", "bass"))
    piano = claim(store)
    store.renew(piano, Stage.RUNNING, 50, 100)
    assert (store.reader.get(whole).step, store.reader.get(whole).steps) == (23, 100)
    store.renew(piano, Stage.RUNNING, 51, 100)
    store.complete(piano, result_for(piano))
    assert store.reader.get(whole).step == 47
    finish(store)
    assert store.reader.get(whole).step == 95
    steps = [entry.number("step") for entry in EventLog(client).since(whole) if entry.type == "progress"]
    assert steps == [23, 24, 47, 95]


def test_parts_are_kept_while_the_whole_is_and_no_shorter_than_it(
    store: JobStore, client: redis.Redis, settings: Settings, request_for: Requests
) -> None:
    whole, parts = compose(store, request_for, ("piano", "bass"))
    piano = claim(store)
    store.complete(piano, result_for(piano))
    assert client.ttl(f"ostinato:job:{piano.id}") == -1
    assert client.zscore(f"ostinato:refs:{result_for(piano).key}", piano.id) == float("inf")
    with pytest.raises(Conflict, match="a part of one that has not ended"):
        store.purge(piano.id)
    finish(store)
    finish(store)
    for job_id in (whole, *parts.values()):
        assert 0 < client.ttl(f"ostinato:job:{job_id}") <= settings.result_ttl_s
    assert client.zscore(f"ostinato:refs:{result_for(piano).key}", piano.id) < float("inf")
    assert store.purge(piano.id)[0] == result_for(piano).key


def test_a_line_without_room_for_all_of_it_takes_none_of_it(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Requests
) -> None:
    store = JobStore(client, make_settings(max_queue_length=5))
    compose(store, request_for, following=["bass", "drums"])
    keys = set(client.scan_iter())
    with pytest.raises(QueueFull) as refused:
        compose(store, request_for, ("piano",), key="k")
    assert (refused.value.queue_length, refused.value.needed) == (4, 2)
    assert set(client.scan_iter()) == keys


def test_one_key_is_one_composition(store: JobStore, request_for: Requests) -> None:
    first, _ = compose(store, request_for, key="k")
    assert compose(store, request_for, key="k")[0] == first
    assert store.reader.waiting() == {"tiny": 3}
    with pytest.raises(IdempotencyConflict):
        submit(store, request_for(), idempotency_key="k")


def test_the_same_composition_under_the_same_seed_is_answered_from_what_is_kept(
    store: JobStore, request_for: Requests
) -> None:
    whole, parts = compose(store, request_for, following=["bass"], seed=7)
    for _ in range(4):
        finish(store)
    again, others = compose(store, request_for, following=["bass"], seed=7)
    assert store.reader.get(again).result == store.reader.get(whole).result
    for name, part_id in others.items():
        assert store.reader.get(part_id).result == store.reader.get(parts[name]).result
    assert store.reader.waiting() == {"tiny": 0}


def test_two_equal_compositions_at_once_share_their_parts_and_each_has_its_own_mix(
    store: JobStore, request_for: Requests
) -> None:
    one, _ = compose(store, request_for, seed=7)
    other, parts = compose(store, request_for, seed=7)
    assert store.reader.waiting() == {"tiny": 3}
    finish(store, 3)
    assert {store.reader.get(part_id).status for part_id in parts.values()} == {Status.COMPLETED}
    assert set(finish(store, 2)) == {one, other}


def test_a_composition_whose_parts_share_one_music_ends_once_each(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    """Two instruments with the same prompt and seed: the failure of the one must not end the other twice."""
    whole, ids = new_id(), [new_id(), new_id()]
    composition = MixSpec((Part("a", ids[0]), Part("b", ids[1])), 120, "A minor")
    jobs = [Job(i, "tiny", request_for(seed=1), part=n, composition_id=whole) for n, i in zip("ab", ids, strict=True)]
    jobs.append(Job(whole, "tiny", request_for(seed=1), after=tuple(ids), composition=composition))
    store.accept([NewJob.of(job, MADE_BY, None) for job in jobs], SubmitContext("local"))
    assert store.reader.waiting() == {"tiny": 1}
    store.fail(claim(store), FINAL)
    for job_id in (*ids, whole):
        ends = [kind for kind in kinds(client, job_id) if kind in ("failed", "cancelled", "completed")]
        assert ends == [store.reader.get(job_id).status.value]


def test_a_mix_tells_nothing_of_the_engines_pace(store: JobStore, client: redis.Redis, request_for: Requests) -> None:
    compose(store, request_for, ("piano",))
    finish(store)
    finish(store)
    assert client.llen("ostinato:pace:tiny") == 1
    counted = client.hgetall("ostinato:counters")
    assert (counted["mixes|tiny"], counted["mix_ms|tiny"], counted["audio_ms|tiny"]) == ("1", "500", "1000")


def test_a_mix_whose_worker_is_killed_is_made_by_another_and_has_one_result(
    store: JobStore, client: redis.Redis, request_for: Requests
) -> None:
    whole, _ = compose(store, request_for, ("piano",))
    finish(store)
    killed = claim(store, "killed")
    client.zadd("ostinato:leases", {whole: 1})
    store.reap()
    other = claim(store, "w2")
    assert (killed.id, other.id, other.attempt) == (whole, whole, 2)
    store.complete(other, result_for(other))
    with pytest.raises(StaleAttempt):
        store.complete(killed, result_for(killed))
    found = store.reader.get(whole).result
    assert found is not None
    assert found.key.endswith("/2.wav")


def test_a_killed_worker_and_a_restarted_broker_lose_no_one_who_waits(
    make_settings: Callable[..., Settings], tmp_path: Any, request_for: Requests
) -> None:
    with EmbeddedBroker(tmp_path / "own") as broker:
        settings = make_settings(redis_url=broker.url)
        client = connect(settings)
        store = JobStore(client, settings)
        whole, parts = compose(store, request_for, following=["bass"])
        lost = claim(store, "killed")
        broker.kill()
        broker.start()
        client = connect(settings)
        store = JobStore(client, settings)
        client.zadd("ostinato:leases", {lost.id: 1})
        store.reap()
        made = [finish(store)[0] for _ in range(4)]
        assert made[-1] == whole
        assert set(made[:-1]) == set(parts.values())
        client.close()
