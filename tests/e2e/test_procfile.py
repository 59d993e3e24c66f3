"""Stop the Procfile's processes: they leave in order within the five seconds that honcho gives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shared.broker.connection import connect
from shared.jobs.job import Status
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from tests.stack.waiting import all_gone, wait_for
from tests.submitting import submit_job

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BOOT_TIMEOUT_S = 300.0
LEAVE_TIMEOUT_S = 60.0
KILL_AFTER_S = 5.0  # honcho.manager.KILL_WAIT
DRAIN_S = "90"
PIECE_S = 240.0


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def honcho(tmp_path: Path, checkpoint: Path, own_broker: EmbeddedBroker) -> Iterator[subprocess.Popen[bytes]]:
    """Run the whole Procfile, with a DRAIN_S in `.env` as another supervisor may want it."""
    settings = {
        "REDIS_URL": own_broker.url,
        "MODEL_CHECKPOINTS": f"tiny={checkpoint}",
        "LOCAL_STORAGE_PATH": str(tmp_path / "audio"),
        "DRAIN_S": DRAIN_S,
        "WEB_CONCURRENCY": "1",
        "WORKER_CONCURRENCY": "2",
        "OMP_NUM_THREADS": "1",
        "OFFLINE": "1",
    }
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    command = [sys.executable, "-m", "honcho", "start", "-d", str(ROOT), "-e", str(tmp_path / "env")]
    with (tmp_path / "honcho.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", str(free_port())], stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
    yield process
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
    process.wait()


def test_under_honcho_a_worker_gives_back_in_time_what_would_end_too_late(
    honcho: subprocess.Popen[bytes],
    own_broker: EmbeddedBroker,
    make_settings: Callable[..., Settings],
    request_for: Callable[..., MusicRequest],
    tmp_path: Path,
) -> None:
    """Leave in time: with the DRAIN_S of `.env` it would go on, and be killed in the middle."""
    settings = make_settings(redis_url=own_broker.url)
    store = JobStore(connect(settings), settings)
    job = submit_job(store, request_for(duration=PIECE_S), "tiny", account="local", source="tasks")
    log = tmp_path / "honcho.log"

    def would_end_between() -> bool:
        left_s = store.reader.get(job.id).eta_s(time.time())
        return left_s is not None and KILL_AFTER_S + 2 < left_s < float(DRAIN_S) - 2

    assert wait_for(would_end_between, BOOT_TIMEOUT_S), log.read_text()
    processes = [process.pid for process in psutil.Process(honcho.pid).children(recursive=True)]
    honcho.send_signal(signal.SIGTERM)
    honcho.wait(LEAVE_TIMEOUT_S)
    before_any_kill = log.read_text().partition("sending SIGKILL")[0]
    assert f"task {job.id} attempt 1 requeued: this worker is leaving" in before_any_kill
    assert all_gone(processes)
    left = store.reader.get(job.id)
    assert (left.status, left.failures) == (Status.QUEUED, 0), "and not charged for it"
