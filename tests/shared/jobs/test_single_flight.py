"""Idempotency keys, and equal requests that share one generation or a kept result."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from shared.errors import Conflict, GenerationFailed, IdempotencyConflict, NotFound, StaleAttempt
from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Fingerprint, Job, Result, Stage, Status
from shared.jobs.store import JobStore
from shared.music.audio_refs import MelodyRef
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job

MADE_BY = Fingerprint("digest", "engine-1", "fp32", "cpu")
OTHER = Fingerprint("other", "engine-1", "fp32", "cpu")


def result_for(job: Job, made_by: Fingerprint = MADE_BY) -> Result:
    return Result(f"results/{job.id}/{job.attempt}.wav", "audio/wav", 1, "0", 1.0, 32000, 1, 0.5, made_by)


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def submit(
        account: str = "local", key: str | None = None, made_by: Fingerprint | None = MADE_BY, **changes: object
    ) -> Job:
        request = request_for(**({"seed": 7} | changes))
        return submit_job(store, request, "tiny", account=account, idempotency_key=key, fingerprint=made_by)

    return submit


def claim(store: JobStore, worker: str = "w1") -> Job:
    job = store.claim("tiny", worker)
    assert job is not None
    return job


# idempotency keys


def test_the_same_key_and_request_is_the_same_job(store: JobStore, submit: Callable[..., Job]) -> None:
    first = submit(key="k", seed=None)
    assert submit(key="k", seed=None) == first
    assert store.reader.waiting() == {"tiny": 1}
    assert submit(key="k", seed=None, account="other").id != first.id, "keys are an account's own"
    assert submit(key="l", seed=None).id != first.id


def test_the_same_key_with_another_request_is_refused(submit: Callable[..., Job]) -> None:
    submit(key="k")
    with pytest.raises(IdempotencyConflict, match="'k' was sent before with another request"):
        submit(key="k", prompt="fast drums")


def test_a_melody_counts_by_its_content_and_not_by_its_name(submit: Callable[..., Job]) -> None:
    def melody(key: str, sha256: str) -> dict[str, object]:
        return MelodyRef(key=key, seconds=1.0, sha256=sha256).model_dump()

    first = submit(key="k", melody=melody("uploads/1", "a"))
    assert submit(key="k", melody=melody("uploads/2", "a")).id == first.id
    with pytest.raises(IdempotencyConflict):
        submit(key="k", melody=melody("uploads/3", "b"))


def test_concurrent_twins_make_one_job(store: JobStore, submit: Callable[..., Job]) -> None:
    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda _: submit(key="k", seed=None), range(32)))
    assert len({job.id for job in jobs}) == 1
    assert store.reader.waiting() == {"tiny": 1}


def test_a_key_is_kept_for_its_time_and_while_the_job_is_on_record(
    store: JobStore, client: redis.Redis, settings: Settings, submit: Callable[..., Job]
) -> None:
    job = submit(key="k", made_by=None)
    assert 0 < client.ttl("ostinato:idem:local:k") <= settings.idempotency_ttl_s == 24 * 3600
    store.cancel(job.id)
    assert submit(key="k", made_by=None).id == job.id
    store.purge(job.id)
    assert submit(key="k", made_by=None).id != job.id


def test_a_replay_is_answered_even_when_the_line_is_full(
    client: redis.Redis, make_settings: Callable[..., Settings], request_for: Callable[..., MusicRequest]
) -> None:
    store = JobStore(client, make_settings(max_queue_length=1))
    first = submit_job(store, request_for(), "tiny", account="local", source="tasks", idempotency_key="k")
    assert submit_job(store, request_for(), "tiny", account="local", source="tasks", idempotency_key="k").id == first.id


# sharing


def test_equal_requests_share_one_generation_and_both_get_its_result(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    leader, follower = submit(), submit(client_id="another caller")
    assert follower.id != leader.id
    assert (follower.primary_id, store.reader.waiting()) == (leader.id, {"tiny": 1})
    assert store.reader.snapshot(follower.id).position == store.reader.snapshot(leader.id).position == 0
    job = claim(store)
    assert store.claim("tiny", "w2") is None
    store.renew(job, Stage.RUNNING, 3, 10)
    seen = store.reader.get(follower.id)
    assert (seen.status, seen.step, seen.attempt, seen.worker) == (Status.RUNNING, 3, 1, "w1")
    store.complete(job, result_for(job))
    assert [store.reader.get(j.id).result for j in (leader, follower)] == [result_for(job)] * 2
    kinds = [fields["type"] for _, fields in client.xrange(f"ostinato:events:{follower.id}")]
    assert kinds == ["queued", "started", "progress", "completed"]


def test_a_kept_result_is_the_answer_at_once(store: JobStore, submit: Callable[..., Job]) -> None:
    submit()
    job = claim(store)
    store.complete(job, result_for(job))
    again = submit()
    assert (again.status, again.result, again.progress()) == (Status.COMPLETED, result_for(job), 100.0)
    assert store.reader.waiting() == {"tiny": 0}


@pytest.mark.parametrize(
    "different",
    [
        {"seed": 8},
        {"prompt": "other"},
        {"duration": 3.0},
        {"output_format": "mp3"},
        {"account": "other"},
        {"made_by": OTHER},
        {"made_by": None},
        {"cache": False},
        {"melody": MelodyRef(key="k", seconds=1.0, sha256="x").model_dump()},
    ],
    ids=str,
)
def test_what_differs_is_made_on_its_own(submit: Callable[..., Job], different: dict[str, object]) -> None:
    submit()
    assert submit(**different).primary_id is None


def test_without_a_seed_nothing_is_shared(submit: Callable[..., Job]) -> None:
    assert [submit(seed=None).primary_id for _ in range(2)] == [None, None]


def test_music_made_by_something_else_than_was_expected_is_kept_for_nobody(
    store: JobStore, submit: Callable[..., Job]
) -> None:
    submit()
    job = claim(store)
    store.complete(job, result_for(job, OTHER))
    assert submit().status is Status.QUEUED


def test_a_failed_job_is_not_shared_and_its_followers_fail_with_it(store: JobStore, submit: Callable[..., Job]) -> None:
    _, follower = submit(), submit()
    final = GenerationFailed("broken weights")
    final.retryable = False
    store.fail(claim(store), final)
    seen = store.reader.get(follower.id)
    assert (seen.status, seen.error and seen.error.code) == (Status.FAILED, "GENERATION_FAILED")
    assert submit().status is Status.QUEUED


def test_cancelling_a_follower_detaches_only_it(store: JobStore, submit: Callable[..., Job]) -> None:
    leader, follower = submit(), submit()
    store.cancel(follower.id)
    job = claim(store)
    store.complete(job, result_for(job))
    assert [store.reader.get(j.id).status for j in (leader, follower)] == [Status.COMPLETED, Status.CANCELLED]


def test_a_follower_takes_over_the_place_in_line_of_a_cancelled_leader(
    store: JobStore, submit: Callable[..., Job]
) -> None:
    leader, other, follower, last = submit(), submit(seed=8), submit(), submit()
    store.cancel(leader.id)
    assert [store.reader.snapshot(job.id).position for job in (leader, follower, other)] == [None, 0, 1]
    assert store.reader.get(last.id).primary_id == follower.id
    assert claim(store).id == follower.id


def test_a_follower_takes_over_the_running_attempt_of_a_cancelled_leader(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    leader, follower, last = submit(), submit(), submit()
    job = claim(store)
    store.cancel(leader.id)
    store.renew(job, Stage.RUNNING, 5, 10)
    assert store.reader.get(follower.id).step == 5
    store.cancel(follower.id)
    store.complete(job, result_for(job))
    store.complete(job, result_for(job))
    statuses = [store.reader.get(j.id).status for j in (leader, follower, last)]
    assert statuses == [Status.CANCELLED, Status.CANCELLED, Status.COMPLETED]
    assert not client.exists("ostinato:leases", "ostinato:running:w1", "ostinato:active:tiny")


def test_once_all_who_share_it_have_cancelled_the_attempt_stops(store: JobStore, submit: Callable[..., Job]) -> None:
    leader, follower = submit(), submit()
    job = claim(store)
    store.cancel(leader.id)
    store.cancel(follower.id)
    with pytest.raises(StaleAttempt):
        store.renew(job, Stage.RUNNING, 5, 10)


def test_a_request_of_higher_priority_does_not_wait_behind_an_equal_one_of_lower(submit: Callable[..., Job]) -> None:
    submit(priority="low")
    urgent = submit(priority="high")
    assert urgent.primary_id is None
    assert submit(priority="normal").primary_id == urgent.id


# forgetting


def test_a_shared_blob_is_free_only_when_nobody_refers_to_it(
    blob_references: BlobReferences, store: JobStore, submit: Callable[..., Job]
) -> None:
    leader, follower = submit(), submit()
    job = claim(store)
    key = result_for(job).key
    store.complete(job, result_for(job))
    cached = submit()
    assert store.purge(leader.id) == ()
    assert store.purge(follower.id) == ()
    assert blob_references.referred([key, "results/unknown"]) == {key}
    assert store.purge(cached.id) == (key, key.replace(".wav", ".codes"))
    assert blob_references.referred([key]) == set()


def test_purging_removes_record_events_and_list_entry_and_refuses_a_live_job(
    store: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    job = submit(melody=MelodyRef(key="uploads/1", seconds=1.0, sha256="x").model_dump())
    with pytest.raises(Conflict, match="cancel it first"):
        store.purge(job.id)
    store.cancel(job.id)
    assert store.purge(job.id) == ("uploads/1",)
    with pytest.raises(NotFound):
        store.purge(job.id)
    assert list(client.scan_iter(f"*{job.id}*")) == []
    assert store.reader.recent("local", limit=5) == []
