"""The Python client against the API served by gunicorn over a real broker, with keys; a thread plays the worker."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.keys import Allowance, Keys
from shared.connection import connect
from shared.errors import BrokerUnavailable, StaleAttempt
from shared.job import Job, Stage
from shared.presence import Roster
from shared.settings import ROOT, Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.processes import Program
from stack.services import what_is_missing
from tests.api.conftest import TINY
from tests.api.dialects.conftest import ALIASES, Player

PACKAGE = ROOT / "clients" / "python"
if str(PACKAGE) not in sys.path:
    sys.path.append(str(PACKAGE))

SLOW = "endless"
STEPS = 40
NO_LIMITS = Allowance(rpm=None, concurrent=None, monthly_bytes=None)


class PatientPlayer(Player):
    """Tells progress; a prompt that begins with "endless" goes on until it is cancelled."""

    def _loop(self) -> None:
        while not self._stop.is_set():
            with suppress(BrokerUnavailable):  # the machine may have other work
                super()._loop()

    def _play(self, job: Job) -> None:
        if job.request.prompt.startswith(SLOW):
            threading.Thread(target=self._linger, args=(job,), daemon=True).start()
            return
        short = job.request.model_copy(update={"duration_s": min(job.request.duration_s, 1.0)})
        with suppress(StaleAttempt):  # cancelled meanwhile
            for step in (STEPS // 4, STEPS // 2):
                self._store.renew(job, Stage.RUNNING, step, STEPS)
            super()._play(replace(job, request=short))

    def _linger(self, job: Job) -> None:
        with suppress(StaleAttempt):
            while not self._stop.wait(0.05):
                self._store.renew(job, Stage.RUNNING, STEPS // 4, STEPS)


@dataclass(frozen=True)
class Live:
    url: str
    key: str
    keys: Keys


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("clients")
    port = free_port()
    with EmbeddedBroker(folder / "broker") as broker:
        served = Settings(  # type: ignore[call-arg]
            _env_file=None, redis_url=broker.url, redis_timeout_s=30.0, local_storage_path=folder / "audio"
        )
        client = connect(served)
        Roster(client, served.model_copy(update={"presence_ttl_s": 3600.0})).announce(TINY)
        keys = Keys(client)
        key, _ = keys.create("tests", NO_LIMITS)
        player, program = PatientPlayer(served), serve(served, port, folder)
        player.start()
        try:
            while what_is_missing(f"http://127.0.0.1:{port}/health/live"):
                assert program.is_running(), program.log_path.read_text()
                time.sleep(0.1)
            yield Live(f"http://127.0.0.1:{port}", key, keys)
        finally:
            program.stop()
            player.stop()


def serve(served: Settings, port: int, folder: Path) -> Program:
    environment = {
        "REDIS_URL": served.redis_url,
        "REDIS_TIMEOUT_S": "30",
        "LOCAL_STORAGE_PATH": str(served.local_storage_path),
        "MODEL_ALIASES": ",".join(f"{name}={model}" for name, model in ALIASES.items()),
        "WEB_CONCURRENCY": "1",
        "PYTHONPATH": str(ROOT),
    }
    config = str(ROOT / "stack" / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gunicorn", "api.wsgi:app", "--config", config, "--bind", f"127.0.0.1:{port}"]
    program = Program("api", command, log_path=folder / "api.log", env=os.environ | environment, cwd=folder)
    program.start()
    return program


@pytest.fixture
def terminal_environment(live: Live) -> dict[str, str]:
    """For a process of its own that uses the package."""
    named = {"MUSIC_GEN_BASE_URL": live.url, "MUSIC_GEN_API_KEY": live.key, "PYTHONPATH": str(PACKAGE)}
    return {**os.environ, **named}
