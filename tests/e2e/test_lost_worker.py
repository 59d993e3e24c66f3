"""Kill a worker: its job completes on another one, in seconds, with exactly one result."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import Stack
from tests.e2e.listener import HEAD, Listener, samples_of
from tests.servers import S3Server

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

RECOVERY_S = 15.0
PIECE_S = 25.0  # long enough to be killed in, while it is heard


def test_a_killed_workers_job_completes_on_another_worker(stack: Stack, s3: S3Server) -> None:
    stack.start_worker("second")
    stack.await_workers("first", "second")
    task_id = stack.submit(duration=PIECE_S, seed=4, stream=True)
    listener = Listener(stack, task_id)
    stack.wait_for(lambda: len(listener.sound) > HEAD, "the first sound")
    victim = next(name for name, process in stack.workers.items() if _runs(stack, name, task_id))
    stack.workers.pop(victim).kill()  # the stack goes on with the other one
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


def test_a_stream_goes_on_with_a_worker_of_other_kernels_only_by_the_same_samples(stack: Stack) -> None:
    """torch and the kernels in C round differently in int8: the retried stream repeats its samples or is broken off."""
    while stack.workers:
        stack.workers.popitem()[1].stop()
    stack.start_worker("by-c", PRECISION="int8")
    stack.start_worker("by-torch", PRECISION="int8", KERNELS="torch")
    stack.await_workers("by-c", "by-torch")
    task_id = stack.submit(duration=PIECE_S, seed=4, stream=True)
    listener = Listener(stack, task_id)
    stack.wait_for(lambda: len(listener.sound) > HEAD, "the first sound")
    victim = next(name for name in ("by-c", "by-torch") if _runs(stack, name, task_id))
    stack.workers.pop(victim).kill()
    task = stack.finish(task_id, timeout_s=60.0)
    listener.join(10)
    assert (task["status"], task["attempts"]) == ("completed", 2)
    made_by = task["fingerprint"]["engine"], victim
    assert ("kernels torch" in made_by[0]) == (victim == "by-c"), made_by
    assert listener.broken_off or listener.sound[HEAD:] == samples_of(stack.audio(task))
    stack.workers.popitem()[1].stop()
    stack.start_worker("first")
    stack.await_workers("first")


def _runs(stack: Stack, worker: str, task_id: str) -> bool:
    log = stack.services.log_folder / f"{worker}.log"
    return f"task {task_id} attempt 1" in log.read_text()
