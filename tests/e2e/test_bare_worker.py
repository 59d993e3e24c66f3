"""Run `celery -A worker.app worker` as it stands: it makes music, and each such process is a node of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery.app.control import Inspect

from shared.jobs.tickets import make_celery
from shared.settings import Settings
from stack.program import Program
from tests.e2e.conftest import Stack
from tests.fork_server import ForkServer
from tests.stack.waiting import wait_for
from worker.capacity import threads_for

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

MODEL = "bare"
COMMAND = [sys.executable, "-m", "celery", "-A", "worker.app", "worker"]
LEAVE_TIMEOUT_S = 15.0
UNSET = ("WORKER_NAME", "WORKER_CONCURRENCY")


def bare_worker(stack: Stack, fork_server: ForkServer, number: int, *options: str) -> Program:
    worker = stack.services.worker("tiny", stack.broker.url)
    worker.name = f"bare-{number}"
    worker.log_path = stack.services.log_folder / f"bare-{number}.log"
    checkpoints = worker.env["MODEL_CHECKPOINTS"]
    known = {name: value for name, value in worker.env.items() if name not in UNSET}
    worker.env = known | {
        "MODEL": MODEL,
        "MODEL_CHECKPOINTS": f"{checkpoints},{MODEL}={checkpoints.rpartition('=')[2]}",
    }
    worker.command = [*COMMAND, *options]
    worker.spawn = fork_server.spawn
    worker.start()
    return worker


@pytest.fixture
def bare_workers(stack: Stack, fork_server: ForkServer) -> Iterator[list[Program]]:
    """Start two without any option, and one that names itself and its threads."""
    started = [bare_worker(stack, fork_server, 1), bare_worker(stack, fork_server, 2)]
    started.append(bare_worker(stack, fork_server, 3, "-n", "mine@%h", "-c", "3"))
    try:
        yield started
    finally:
        for worker in started:
            worker.request_stop()
        wait_for(lambda: not any(worker.is_running() for worker in started), LEAVE_TIMEOUT_S)
        for worker in started:
            worker.kill()


def live(stack: Stack) -> list[dict[str, Any]]:
    return [worker for worker in stack.http.get("/health").json()["workers"] if worker["model"] == MODEL]


def inspect(stack: Stack) -> Inspect:
    app = make_celery(Settings(_env_file=None, redis_url=stack.broker.url))
    return app.control.inspect(timeout=1.0)  # type: ignore[no-any-return]


def test_the_bare_command_makes_music_and_two_on_one_host_are_two_nodes(
    stack: Stack, bare_workers: list[Program]
) -> None:
    stack.wait_for(lambda: len(live(stack)) == len(bare_workers), "three live workers", 300.0, every_s=0.5)
    assert stack.finish(stack.submit(model=MODEL))["status"] == "completed"
    found: dict[str, Any] = {}

    def answer() -> bool:
        found.update(inspect(stack).stats() or {})
        return len([node for node in found if node.startswith((f"{MODEL}-", "mine@"))]) == len(bare_workers)

    stack.wait_for(answer, "an answer of each node", 60.0)
    threads = {node.partition("@")[0]: stats["pool"]["max-concurrency"] for node, stats in found.items()}
    slots = max(worker["slots"] for worker in live(stack))
    assert threads.pop("mine") == 3, "-n and -c win"
    assert sorted(worker["slots"] for worker in live(stack))[0] == 3, "no more than it has threads for"
    unnamed = {node: count for node, count in threads.items() if node.startswith(f"{MODEL}-")}
    assert len(unnamed) == 2
    assert set(unnamed.values()) == {threads_for(slots)}
