"""Run `make up`: it ends by naming addresses that open the page, and what is killed in it comes back by itself."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.settings import ROOT
from stack.certificate import certificate_in
from stack.ports import free_port
from stack.processes import Supervisor
from stack.program import ManagedProcess
from stack.restarts import RestartPolicy
from stack.services import Services, StackSettings
from tests.fork_server import ForkServer
from tests.stack.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack")]

BOOT_TIMEOUT_S = 300.0
JOB_TIMEOUT_S = 120.0
PIECE_S = 15.0  # long enough to be killed in
PARTS = ("broker", "worker-tiny", "housekeeping", "api")


class Watched(Supervisor):
    """Supervise parts that a test can find."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.parts: dict[str, Any] = {}
        super().__init__(self.said.append, RestartPolicy(first_wait_s=0.2))

    def start(
        self, part: ManagedProcess, *, stop_stage: int = 0, was_useful: Callable[[float], bool] | None = None
    ) -> None:
        self.parts[part.name] = part
        super().start(part, stop_stage=stop_stage, was_useful=was_useful)

    def look_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        def looked() -> bool:
            self.check()
            return condition()

        assert wait_for(looked, timeout_s), self.said


@pytest.fixture
def services(tmp_path: Path, checkpoint: Path, fork_server: ForkServer) -> Services:
    settings = StackSettings.model_construct(
        port=free_port(),
        model="tiny",
        default_model="tiny",
        local_storage_path=tmp_path / "audio",
        state_folder=tmp_path,
        worker_concurrency=1,
    )
    environment = {
        **os.environ,
        "MODEL_CHECKPOINTS": f"tiny={checkpoint}",
        "LEASE_S": "2",
        "OMP_NUM_THREADS": "1",
        "WEB_CONCURRENCY": "1",
    }
    return Services(settings, None, environment, grace_s=15.0, spawn_worker=fork_server.spawn)


@pytest.fixture
def stack(services: Services) -> Iterator[Watched]:
    with Watched() as supervisor:
        services.start(supervisor, supervisor.said.append)
        supervisor.wait_until_ready(services.missing, timeout_s=BOOT_TIMEOUT_S)
        yield supervisor


def test_everything_killed_at_once_comes_back_and_the_job_in_the_making_ends(
    services: Services, stack: Watched
) -> None:
    def ask(path: str, **fields: Any) -> dict[str, Any]:
        try:
            call = httpx.post if fields else httpx.get
            answer = call(f"{services.url}{path}", timeout=10.0, **({"json": fields} if fields else {}))
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.is_success else {}

    task_id = ask("/tasks", prompt="calm piano", duration=PIECE_S, seed=1)["task_id"]
    stack.look_until(lambda: ask(f"/tasks/{task_id}").get("current", 0) > 0, JOB_TIMEOUT_S)
    dead = {name: stack.parts[name].pid for name in PARTS}
    for pid in dead.values():
        os.kill(pid, signal.SIGKILL)
    stack.look_until(lambda: ask(f"/tasks/{task_id}").get("status") == "completed", BOOT_TIMEOUT_S)
    assert ask(f"/tasks/{task_id}")["attempts"] == 2
    for name in PARTS:
        assert any(line.startswith(f"{name} was ended by SIGKILL; starting it again") for line in stack.said)
        assert stack.parts[name].pid != dead[name]
    assert len([line for line in stack.said if "starting it again" in line]) == len(PARTS), stack.said


@contextmanager
def make_up(folder: Path, checkpoint: Path, port: int, *arguments: str) -> Iterator[list[str]]:
    """Run it as `make up ARGS=` does; yield what it prints until it is ready, and stop it by Ctrl-C."""
    environment = {
        "STATE_FOLDER": str(folder),
        "LOCAL_STORAGE_PATH": str(folder / "audio"),
        "PORT": str(port),
        "MODEL_CHECKPOINTS": f"tiny={checkpoint}",
        "OMP_NUM_THREADS": "1",
        "WEB_CONCURRENCY": "1",
    }
    command = [sys.executable, "-m", "stack.up", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        said: list[str] = []
        last = "which asks once" if "--tls" in arguments else "open "
        try:
            while not said or not said[-1].startswith(last):
                said.append(next(up.stdout))
            yield said
        finally:
            up.send_signal(signal.SIGINT)
            rest = up.stdout.read()
        assert up.wait(BOOT_TIMEOUT_S) == 0, rest
        assert all(line.startswith("stopp") for line in rest.splitlines()), "nothing else came after it"


@pytest.mark.parametrize("arguments", [(), ("--host", "localhost", "--tls")], ids=["as it is", "named, by https"])
def test_its_last_line_names_addresses_that_open_the_page_and_the_operators(
    tmp_path: Path, checkpoint: Path, arguments: tuple[str, ...]
) -> None:
    port = free_port()
    with make_up(tmp_path, checkpoint, port, *arguments) as said:
        (line,) = [line for line in said if line.startswith("open ")]
        page, admin = re.findall(r"https?://[^ ;\n]+", line)
        scheme = "https" if arguments else "http"
        assert (page, admin) == (f"{scheme}://127.0.0.1:{port}/", f"{scheme}://127.0.0.1:{port}/admin")
        if arguments:
            certificate = certificate_in(tmp_path)
            assert str(certificate.path) in said[-1]
            trusting: ssl.SSLContext | bool = certificate.trusting()
        else:
            trusting = True
        for address, entry in ((page, "main.js"), (admin, "admin.js")):
            answer = httpx.get(address, headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}, verify=trusting)
            assert answer.status_code == 200
            assert f'{entry}"' in answer.text
