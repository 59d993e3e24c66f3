"""The charts' points are counted in Redis by the scripts that move jobs, whatever process runs these."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from shared.admin.minute_counts import MINUTES, MinuteCounts, MinuteHistory
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job

RESULT = Result("r.wav", "audio/wav", 9, "0" * 64, 2.0, 32000, 1, 0.7, Fingerprint("d", "e", "fp32", "cpu"))


@pytest.fixture
def history(client: redis.Redis, settings: Settings) -> MinuteHistory:
    return MinuteHistory(client, settings)


def counted(history: MinuteHistory, model: str | None = None) -> dict[str, float]:
    """Add up the hour, which a test may begin at the end of a minute."""
    points = history.last_hour(model)
    sums = {name: sum(getattr(point, name) for point in points) for name in ("started", "completed", "failed")}
    return sums | {"cancelled": sum(point.cancelled for point in points), "audio_s": sum(p.audio_s for p in points)}


def move(client: redis.Redis, minutes: int) -> None:
    """Let what was counted so far have been so many minutes ago."""
    for key in sorted(client.scan_iter("ostinato:minute:*")):
        root, _, minute = str(key).rpartition(":")
        client.rename(key, f"{root}:{int(minute) - minutes}")


def test_what_happens_to_jobs_is_counted_in_its_minute(
    history: MinuteHistory, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    assert history.last_hour()[-1] == MinuteCounts(history.last_hour()[-1].at, 0, 0, None, 0, 0, 0, 0.0)
    jobs = [submit_job(store, request_for(duration=2), "tiny") for _ in range(4)]
    store.cancel(jobs[3].id)
    first, second = claimed(store), claimed(store)
    store.complete(first, RESULT)
    store.requeue(second)
    assert history.last_hour()[-1].queue_length == 2
    assert counted(history) == {"started": 2, "completed": 1, "failed": 0, "cancelled": 1, "audio_s": 2.0}
    assert counted(history, "other") == dict.fromkeys(counted(history), 0)
    waits = [point.wait_s for point in history.last_hour() if point.wait_s is not None]
    assert waits
    assert all(0 <= wait_s < 30 for wait_s in waits)


def claimed(store: JobStore) -> Job:
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def test_the_queue_of_each_minute_follows_from_what_came_and_went_since(
    history: MinuteHistory, store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    for minutes in (30, 20):
        for _ in range(3):
            submit_job(store, request_for(), "tiny")
        move(client, minutes)  # the first three are 50 minutes ago, the others 20
    claimed(store)
    lengths = [point.queue_length for point in history.last_hour()]
    assert len(lengths) == MINUTES
    assert lengths[MINUTES - 1 - 52] == 0
    assert lengths[MINUTES - 1 - 49 : MINUTES - 1 - 22] == [3] * 27
    assert lengths[MINUTES - 1 - 19 : MINUTES - 2] == [6] * 18
    assert lengths[-1] == 5


def test_parked_jobs_count_as_waiting_and_what_is_counted_expires(
    history: MinuteHistory, store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    for _ in range(3):
        submit_job(store, request_for(), "tiny", concurrent=1)
    assert history.last_hour("tiny")[-1].queue_length == 3
    job = claimed(store)
    store.complete(job, RESULT)
    assert history.last_hour("tiny")[-1].queue_length == 2
    assert sum(int(client.hget(key, "queue|tiny") or 0) for key in client.scan_iter("ostinato:minute:*")) == 2
    assert all(3600 < client.ttl(key) <= 7200 for key in client.scan_iter("ostinato:minute:*"))


def test_a_job_that_waited_for_others_counts_as_no_wait_for_a_worker(
    history: MinuteHistory, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    first = submit_job(store, request_for(), "tiny")
    submit_job(store, request_for(), "tiny", after=(first.id,))
    store.complete(claimed(store), RESULT)
    store.complete(claimed(store), RESULT)
    assert counted(history)["started"] == 1
    assert counted(history)["completed"] == 2
