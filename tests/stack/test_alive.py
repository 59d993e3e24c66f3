"""The health check of a worker's container looks for its own worker, by its whole name."""

from __future__ import annotations

import os
import runpy
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from shared.settings import ROOT, Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY

NOBODYS_PID = 2**22 + 1  # above the kernel's highest


@pytest.fixture
def check(
    client: redis.Redis, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Run the check in a container where these are set; `live` are the workers in the registry."""

    def run(*live: str, **environment: str) -> int:
        for name in live:
            WorkerRegistry(client, make_settings()).announce(replace(TINY, worker=name))
        monkeypatch.setenv("REDIS_URL", make_settings().redis_url)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        return int(runpy.run_path(str(ROOT / "deploy" / "alive.py"))["main"]())

    return run


def test_a_named_worker_is_alive_while_its_own_record_is_there(check: Callable[..., int]) -> None:
    assert check("gpu-10", "gpu-1-2", WORKER_NAME="gpu-1") == 1
    assert check("gpu-1", WORKER_NAME="gpu-1") == 0


def test_without_a_name_it_is_a_process_of_this_container(check: Callable[..., int]) -> None:
    host = socket.gethostname()
    assert check(f"{host}-{NOBODYS_PID}", f"{host}-{os.getpid()}-1", f"{host}-x") == 1
    assert check(f"{host}-{os.getpid()}") == 0
