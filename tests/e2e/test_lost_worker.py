"""Kill a worker: its job completes on another one, in seconds, with exactly one result."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.e2e.conftest import Stack
from tests.e2e.listener import HEAD, Listener, samples_of
from tests.servers import S3Server

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

RECOVERY_S = 15.0
PIECE_S = 25.0  # long enough to be killed in, while it is heard
COMPANY_S = 8.0
CLOSE = 1e-5  # of full scale: the codec may round a song otherwise in company


def test_a_killed_workers_job_completes_on_another_worker(stack: Stack, s3: S3Server) -> None:
    stack.start_worker("second")
    stack.await_workers("first", "second")
    task_id = stack.submit(duration=PIECE_S, seed=4, stream=True)
    listener = Listener(stack, task_id)
    stack.wait_for(lambda: len(listener.sound) > HEAD, "the first sound")
    kill_whose_attempt_it_is(stack, task_id)  # the stack goes on with the other one
    killed_at = time.monotonic()
    task = stack.finish(task_id, timeout_s=60.0)
    recovered_s = time.monotonic() - killed_at - task["run_time"]
    assert (task["status"], task["attempts"]) == ("completed", 2)
    assert recovered_s < RECOVERY_S, "from the kill until the second attempt began"
    found = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=f"ostinato/results/{task_id}/")
    wanted = {f"ostinato/results/{task_id}/2.{kind}" for kind in ("wav", "codes")}
    assert {item["Key"] for item in found["Contents"]} == wanted
    file = stack.audio(task)
    listener.join(10)
    assert listener.sound[HEAD:] == samples_of(file), "no gap: the second attempt made the same samples"
    assert file == stack.generate(duration=PIECE_S, seed=4, stream=True)


@pytest.mark.parametrize("exact", ["0", "1"], ids=["usual settings", "EXACT=1"])
def test_a_stream_resumed_in_company_is_the_song_that_was_made_alone(stack: Stack, exact: str) -> None:
    """Count samples too: none is lost and none comes twice, where one worker's sound ends and the other's begins."""
    wish: dict[str, Any] = {"duration": PIECE_S, "seed": 4, "stream": True}
    settings = {"EXACT": exact, "WORKER_CONCURRENCY": "4"}
    with only_workers(stack, {"one": settings, "other": settings}):
        undisturbed = levels(samples_of(stack.generate(**wish)))
        task_id = stack.submit(**wish)
        listener = Listener(stack, task_id)
        stack.wait_for(lambda: len(listener.sound) > HEAD, "the first sound")
        kill_whose_attempt_it_is(stack, task_id)
        heard_before = levels(listener.sound[HEAD:])
        in_company = finish_in_company(stack, task_id)
        task = stack.task(task_id)
        listener.join(10)
    assert (task["status"], task["attempts"], listener.broken_off) == ("completed", 2, False)
    assert in_company, "other songs came to the codec beside this one"
    heard, count = levels(listener.sound[HEAD:]), len(heard_before)
    assert 0 < count < len(heard) == len(undisturbed) == PIECE_S * 32_000
    assert np.array_equal(heard[:count], heard_before)
    assert np.abs(heard - undisturbed).max() <= (0 if exact == "1" else CLOSE)


def test_a_stream_goes_on_with_a_worker_of_other_kernels_only_by_the_same_samples(stack: Stack) -> None:
    """torch and the kernels in C round differently in int8: the retried stream repeats its samples or is broken off."""
    by_c, by_torch = {"PRECISION": "int8"}, {"PRECISION": "int8", "KERNELS": "torch"}
    with only_workers(stack, {"by-c": by_c, "by-torch": by_torch}):
        task_id = stack.submit(duration=PIECE_S, seed=4, stream=True)
        listener = Listener(stack, task_id)
        stack.wait_for(lambda: len(listener.sound) > HEAD, "the first sound")
        victim = kill_whose_attempt_it_is(stack, task_id)
        task = stack.finish(task_id, timeout_s=60.0)
        listener.join(10)
    assert (task["status"], task["attempts"]) == ("completed", 2)
    made_by = task["fingerprint"]["engine"], victim
    assert ("kernels torch" in made_by[0]) == (victim == "by-c"), made_by
    assert listener.broken_off or listener.sound[HEAD:] == samples_of(stack.audio(task))


@contextmanager
def only_workers(stack: Stack, settings: dict[str, dict[str, str]]) -> Iterator[None]:
    """Have workers of these names and settings instead of the stack's own, who is there again afterwards."""
    stop_workers(stack)
    try:
        for name, changes in settings.items():
            stack.start_worker(name, **changes)
        stack.await_workers(*settings)
        yield
    finally:
        stop_workers(stack)
        stack.start_worker("first")
        stack.await_workers("first")


def stop_workers(stack: Stack) -> None:
    while stack.workers:
        stack.workers.popitem()[1].stop()


def kill_whose_attempt_it_is(stack: Stack, task_id: str) -> str:
    """Kill the worker that makes the task's first attempt, and return its name; the others stay."""
    victim = next(name for name in stack.workers if f"task {task_id} attempt 1" in log_of(stack, name))
    stack.workers.pop(victim).kill()
    return victim


def finish_in_company(stack: Stack, task_id: str) -> bool:
    """Stream other songs until a task has ended; tell whether some began between its second attempt's begin and end."""
    survivor, seed = next(iter(stack.workers)), 100
    while stack.task(task_id)["status"] == "processing":
        beside = [stack.submit(duration=COMPANY_S, seed=seed + n, stream=True) for n in range(3)]
        for each in beside:
            assert stack.finish(each)["status"] == "completed"
        seed += len(beside)
    begun = log_of(stack, survivor).partition(f"task {task_id} attempt 2")[2]
    return " attempt 1:" in begun.partition(f"task {task_id} completed")[0]


def log_of(stack: Stack, worker: str) -> str:
    return (stack.services.log_folder / f"{worker}.log").read_text()


def levels(pcm: bytes) -> npt.NDArray[np.float64]:
    """Return 16-bit samples as shares of full scale; half a sample at the end is left out."""
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2") / 32768
