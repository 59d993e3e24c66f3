"""Take a way to decode away from a real worker: it goes on by the next one, says so, and makes music."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.program import Program
from tests.e2e.conftest import Stack
from tests.fork_server import ForkServer

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

MODEL = "ladder"
NUMBERS = itertools.count()  # a name of its own for each worker
Start = Callable[..., Program]


@pytest.fixture
def start(stack: Stack, fork_server: ForkServer) -> Iterator[Start]:
    """Start a worker of a model that no other worker serves; faults as worker/injected_faults.py reads them."""
    started: list[Program] = []

    def start(faults: str, **changes: str) -> Program:
        worker = stack.services.worker("tiny", stack.broker.url)
        checkpoint = worker.env["MODEL_CHECKPOINTS"].rpartition("=")[2]
        worker.name = f"ladder-{next(NUMBERS)}"
        worker.log_path = stack.services.log_folder / f"{worker.name}.log"
        known = {"MODEL": MODEL, "MODEL_CHECKPOINTS": f"{MODEL}={checkpoint}", "WORKER_NAME": worker.name}
        known["PRESENCE_TTL_S"] = "5"  # it is killed at the end, and does not say goodbye
        worker.env = {**worker.env, **known, "OSTINATO_TEST_FAULTS": faults, **changes}
        worker.spawn = fork_server.spawn
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


def await_record(stack: Stack, worker: Program) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def announced() -> bool:
        assert worker.is_running(), worker.log_path.read_text()[-3000:]
        live = stack.http.get("/health").json()["workers"]
        found[:] = [record for record in live if record["worker"] == worker.name]
        return bool(found)

    stack.wait_for(announced, worker.name, 300.0, every_s=0.2)
    return found[0]


def listed(stack: Stack) -> list[dict[str, Any]]:
    models = stack.http.get("/models").json()["models"]
    return next(model["runners"] for model in models if model["name"] == MODEL)


def test_a_gpus_worker_whose_capture_fails_goes_on_without_graphs_in_a_fresh_process_and_says_why(
    stack: Stack, start: Start
) -> None:
    """Nothing is injected but the choice: on a CPU a capture fails by itself."""
    worker = start("gpu-ladder")
    pid = worker.pid
    record = await_record(stack, worker)
    assert record["runner"] == "eager"
    assert record["runner_reason"].startswith("graphs: ")
    assert {"runner": "eager", "reason": record["runner_reason"]} in listed(stack)
    assert stack.finish(stack.submit(model=MODEL))["status"] == "completed"
    assert worker.pid == pid, "its supervisor sees no death"
    log = worker.log_path.read_text()
    assert "RUNNER=graphs does not work here" in log
    assert f"decodes by eager on cpu, because {record['runner_reason']}" in log.partition("going on with eager")[2]


def test_a_worker_goes_down_to_audiocrafts_own_loop_and_makes_music_by_it(stack: Stack, start: Start) -> None:
    worker = start("native:load,eager:load", PRECISION="int8")
    record = await_record(stack, worker)
    assert (record["runner"], record["engine"].partition("-")[0], record["slots"]) == ("audiocraft", "audiocraft", 1)
    assert [part.partition(":")[0] for part in record["runner_reason"].split("; ")] == ["native", "eager"]
    assert stack.finish(stack.submit(model=MODEL))["status"] == "completed"


def test_a_worker_whose_boot_crashed_goes_on_by_the_next_way_when_it_is_started_again(
    stack: Stack, start: Start, tmp_path: Path
) -> None:
    worker = start("native:crash", CACHE_DIR=str(tmp_path))
    stack.wait_for(lambda: not worker.is_running(), "its end", 60.0)
    assert worker.exit_code() == -signal.SIGABRT
    worker.start()
    record = await_record(stack, worker)
    assert record["runner"] == "eager"
    assert record["runner_reason"].startswith("native: a boot before crashed: Aborted at injected_faults.py:")
    assert stack.finish(stack.submit(model=MODEL))["status"] == "completed"
    assert list((tmp_path / "boots").iterdir()) == [], "the next boot begins at the top again"


def test_a_worker_for_which_nothing_is_left_ends_with_one_sentence(stack: Stack, start: Start) -> None:
    worker = start("eager:load", RUNNER="eager", FAILED_BOOT_WAIT_S="1")
    stack.wait_for(lambda: not worker.is_running(), "its end", 60.0)
    assert worker.exit_code() == 1
    last = worker.log_path.read_text().splitlines()[-1]
    assert last.startswith("ostinato worker: no way to decode works on this machine (eager: OSTINATO_TEST_FAULTS")
