from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import redis

from shared.jobs.job import Fingerprint, Result, Stage
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.workers.throughput import DEFAULT_RETRY_S, Run, Throughput
from tests.submitting import submit_job

RESULT = Result("results/x.wav", "audio/wav", 1, "0", 8.0, 32000, 1, 1.0, Fingerprint("d", "e", "fp32", "cpu"))


def test_nothing_is_made_up_while_nothing_is_known() -> None:
    pace = Throughput([], [], 8.0)
    assert (pace.wait_s(3, slots=2), pace.run_s(8.0), pace.retry_after_s(2)) == (None, None, DEFAULT_RETRY_S)
    assert Throughput([(8.0, 4.0)], [], 8.0).wait_s(0, slots=0) is None, "no worker, no estimate"


def test_a_free_slot_means_no_wait_and_a_busy_one_what_is_left_of_it() -> None:
    pace = Throughput([(8.0, 4.0)] * 4, [Run(8.0, 1.0, 0.25)], 8.0)
    assert pace.wait_s(0, slots=2) == 0.0
    assert pace.wait_s(0, slots=1) == 3.0
    assert pace.wait_s(2, slots=1) == 11.0
    assert pace.run_s(4.0) == 2.0
    assert pace.retry_after_s(1) == 3


def test_before_a_job_has_finished_those_that_run_tell_the_pace() -> None:
    assert Throughput([], [Run(8.0, 2.0, 0.5)], 8.0).wait_s(0, slots=1) == 2.0


@pytest.mark.parametrize("slots", [1, 4, 16])
def test_the_end_is_foretold_within_a_third_of_how_long_it_takes(slots: int) -> None:
    """Against a simulated worker whose slots run jobs of mixed length; run times scatter by a tenth."""
    draw = random.Random(7)
    lengths = [draw.choice([4.0, 8.0, 12.0, 30.0]) for _ in range(200)]
    took = [length / 2.0 * draw.uniform(0.9, 1.1) for length in lengths]
    free_at = [0.0] * slots
    ends: list[float] = []
    begins: list[float] = []
    for run_s in took:
        slot = free_at.index(min(free_at))
        begins.append(free_at[slot])
        free_at[slot] += run_s
        ends.append(free_at[slot])
    now = sorted(ends)[60]
    done = [n for n in range(200) if ends[n] <= now][-32:]
    running = [n for n in range(200) if begins[n] <= now < ends[n]]
    waiting = [n for n in range(200) if begins[n] > now]
    runs = [Run(lengths[n], now - begins[n], (now - begins[n]) / took[n]) for n in running]
    mean_s = sum(lengths[n] for n in waiting) / len(waiting)
    pace = Throughput([(lengths[n], took[n]) for n in done], runs, mean_s)
    good = 0
    for ahead, n in enumerate(waiting):
        foretold_s = (pace.wait_s(ahead, slots) or 0) + (pace.run_s(lengths[n]) or 0)
        good += abs(foretold_s - (ends[n] - now)) <= 0.3 * (ends[n] - now)
    assert good >= 0.9 * len(waiting)


def test_the_store_measures_what_finished_and_what_runs_and_waits(
    store: JobStore, client: redis.Redis, request_for: Callable[..., MusicRequest]
) -> None:
    for seconds in (8.0, 4.0, 2.0, 6.0):
        submit_job(store, request_for(duration=seconds), "tiny", account="local", source="tasks")
    first = store.claim("tiny", "w1")
    second = store.claim("tiny", "w1")
    assert first is not None
    assert second is not None
    client.hincrby(f"ostinato:job:{first.id}", "started_ms", -4000)
    store.complete(first, RESULT)
    store.renew(second, Stage.RUNNING, 50, 200)
    pace = store.reader.throughput("tiny")
    assert pace.audio_s_per_s == pytest.approx(2.0, rel=0.1)
    assert [(run.audio_s, run.done) for run in pace.running] == [(4.0, 0.25)]
    assert pace.waiting_audio_s == 4.0


def test_what_a_drained_worker_still_makes_gives_no_slot_to_those_who_wait(
    store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    for _ in range(3):
        submit_job(store, request_for(duration=4.0), "tiny", account="local", source="tasks")
    leaving, staying = store.claim("tiny", "w1"), store.claim("tiny", "w2")
    assert leaving is not None
    assert staying is not None
    store.renew(leaving, Stage.RUNNING, 1, 4)
    store.renew(staying, Stage.RUNNING, 3, 4)
    store.drain("w1")
    assert [run.done for run in store.reader.throughput("tiny").running] == [0.75]
    store.undrain("w1")
    assert sorted(run.done for run in store.reader.throughput("tiny").running) == [0.25, 0.75]
