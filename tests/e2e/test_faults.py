"""Take parts of the running stack away: what callers are told meanwhile, and that everything goes on afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from stack.program import Program
from tests.e2e.conftest import JOB_TIMEOUT_S, Stack
from tests.servers import S3Server
from tests.stored import stored_files

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

ANSWER_S = 2.0
TRIES = 3
IMPATIENCE_S = 3.0
PIECE_S = 15.0  # long enough for something to happen meanwhile
COUNTED = ("queue_length", "started", "completed", "failed", "cancelled", "audio_s")
FILE_LIMIT_KB = 512  # room for 8 s of wav


@contextmanager
def killed(stack: Stack) -> Iterator[None]:
    """Kill the broker, as an out-of-memory killer would. It comes back with what its append-only file holds.

    On a disk that takes longer than a second to sync, answered writes are held back (docs/reliability.md): waited for.
    """
    with closing(redis.Redis.from_url(stack.broker.url)) as client:
        stack.wait_for(lambda: client.info("persistence")["aof_buffer_length"] == 0, "a disk that keeps up")
    stack.broker.kill()
    try:
        yield
    finally:
        stack.broker.start()


@contextmanager
def hung(stack: Stack) -> Iterator[None]:
    """Stop the broker: connections stay open, and nothing answers."""
    os.kill(stack.broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(stack.broker.pid, signal.SIGCONT)


@contextmanager
def storage_away(s3: S3Server) -> Iterator[None]:
    s3.stop()
    try:
        yield
    finally:
        s3.start()


def refusals(ask: Callable[[], httpx.Response]) -> list[float]:
    """Return how long each of a few answers took; all must be a 503 that says when to come back."""
    took = []
    for _ in range(TRIES):
        since = time.monotonic()
        answer = ask()
        took.append(time.monotonic() - since)
        assert answer.status_code == 503, answer.text
        told = answer.json()
        code = told["error_code"] if "error_code" in told else told["error"]["code"]  # a poll, and all else
        assert code == "BROKER_UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) > 0
    return sorted(took)


@pytest.mark.parametrize("away", [killed, hung])
def test_without_a_broker_answers_are_503_in_time_and_all_goes_on_by_itself(
    stack: Stack, away: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    running = stack.submit(duration=PIECE_S, seed=5)
    stack.wait_for(lambda: stack.task(running)["current"] > 0, "the first progress")
    waiting = [stack.submit(seed=seed) for seed in (6, 7)]
    asked = (
        lambda: stack.http.post("/tasks", json={"prompt": "calm piano", "duration": 1.0}),
        lambda: stack.http.get(f"/tasks/{running}"),
    )
    with away(stack), ThreadPoolExecutor() as pool:
        for took in pool.map(refusals, asked):
            assert took[TRIES // 2] < ANSWER_S, took
    assert stack.task(waiting[0])["status"] == "processing", "accepted, and not forgotten"
    assert [stack.finish(task)["status"] for task in (running, *waiting)] == ["completed"] * 3
    assert stack.generate(duration=PIECE_S, seed=5) == stack.audio(stack.task(running))
    assert stack.live_workers() >= set(stack.workers), "the same workers as before"
    assert all(worker.is_running() for worker in stack.workers.values())


def test_every_acknowledged_job_continues_after_the_broker_was_killed(stack: Stack) -> None:
    tasks = [stack.submit(seed=seed) for seed in range(20)]
    with killed(stack):
        pass
    ends = [stack.finish(task) for task in tasks]
    assert [end["status"] for end in ends] == ["completed"] * len(tasks), [end.get("error") for end in ends]
    assert [end["seed"] for end in ends] == list(range(20))


def last_hour(stack: Stack) -> dict[float, dict[str, Any]]:
    """Return the operators' charts, a point for each minute by when it began, those without anything left out."""
    points = stack.http.get("/admin/api/charts").raise_for_status().json()["points"]
    return {point["at"]: point for point in points if any(point[name] for name in COUNTED)}


def test_the_charts_of_the_last_hour_outlive_the_api_and_the_broker_and_nothing_is_counted_twice(stack: Stack) -> None:
    for seed in (21, 22):
        stack.generate(seed=seed)
    stack.http.delete(f"/tasks/{stack.submit(duration=PIECE_S)}").raise_for_status()
    before = last_hour(stack)
    assert sum(point["completed"] for point in before.values()) >= 2
    assert sum(point["cancelled"] for point in before.values()) >= 1
    first = stack.api.pid
    stack.api.stop()
    stack.api.start()
    stack.wait_for(stack.live_workers, "the API")
    assert stack.api.pid != first
    assert last_hour(stack) == before, "another process tells the same"
    with killed(stack):
        pass
    stack.wait_for(stack.live_workers, "the broker")
    assert last_hour(stack) == before, "what Redis had appended to its file"
    stack.generate(seed=23)
    after = last_hour(stack)
    for name in COUNTED:
        more = sum(point[name] for point in after.values()) - sum(point[name] for point in before.values())
        assert more == pytest.approx({"started": 1, "completed": 1, "audio_s": 1.0}.get(name, 0)), name


def test_finished_audio_waits_for_the_storage_and_is_the_same(stack: Stack, s3: S3Server) -> None:
    with storage_away(s3):
        task_id = stack.submit(seed=11)
        stack.wait_for(lambda: stack.task(task_id)["stage"] == "uploading", "the upload", JOB_TIMEOUT_S)
        time.sleep(1.0)
        assert stack.task(task_id)["stage"] == "uploading"
    task = stack.finish(task_id)
    assert (task["status"], task["attempts"]) == ("completed", 1)
    assert stack.audio(task) == stack.generate(seed=11)


def test_storage_that_stays_away_fails_the_job_with_its_reason_and_nothing_else(stack: Stack, s3: S3Server) -> None:
    """Keep the storage away for longer than a worker waits that is told to wait less than the stack's others."""
    stack.start_worker("impatient", "cramped", STORAGE_RETRY_S=str(IMPATIENCE_S))
    stack.await_workers("impatient")
    with storage_away(s3):
        since = time.monotonic()
        task = stack.finish(stack.submit(seed=12, model="cramped"), timeout_s=IMPATIENCE_S + JOB_TIMEOUT_S)
        assert time.monotonic() - since >= IMPATIENCE_S
        faults = stack.http.get("/health/ready").json()["faults"]
        assert set(faults) == {"storage"}
    assert (task["status"], task["error_code"], task["attempts"]) == ("failed", "STORAGE_UNAVAILABLE", 1)
    assert "the store of audio does not answer" in task["error"]
    assert s3.endpoint_url not in task["error"], "where it lies is the operator's to know"
    again = stack.finish(stack.submit(seed=12, model="cramped"))
    assert again["status"] == "completed", "the worker is none the worse"
    stack.workers.pop("impatient").stop()


@contextmanager
def crowded(worker: Program) -> Iterator[None]:
    """Make each file of that worker fail that would be larger than the limit, as on a full disk."""
    process = psutil.Process(worker.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (FILE_LIMIT_KB * 1024, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_file(stack: Stack, tmp_path: Path) -> None:
    """Fill the disk of a worker that stores there. With room again it goes on by itself."""
    place = {"S3_BUCKET_NAME": "", "LOCAL_STORAGE_PATH": str(tmp_path), "STORAGE_RETRY_S": "2"}
    worker = stack.start_worker("cramped", "cramped", **place)
    stack.await_workers("cramped")
    with crowded(worker):
        fits, does_not = (stack.submit(model="cramped", duration=seconds) for seconds in (2.0, PIECE_S))
        assert stack.finish(fits)["status"] == "completed"
        task = stack.finish(does_not)
    assert (task["status"], task["error_code"]) == ("failed", "STORAGE_UNAVAILABLE")
    assert "has no room" in task["error"]
    assert str(tmp_path) not in task["error"], "the folder is the operator's affair, and in the worker's log"
    assert stored_files(tmp_path) == [f"ostinato/results/{fits}/1.codes", f"ostinato/results/{fits}/1.wav"]
    assert stack.finish(stack.submit(model="cramped", duration=PIECE_S))["status"] == "completed"
    stack.workers.pop("cramped").stop()
