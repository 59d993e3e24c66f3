"""A supervisor with a policy starts again what ended by itself, says so, and gives up only after repeated deaths."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from shared.settings import ROOT
from stack.broker import EmbeddedBroker
from stack.errors import ProgramFailed
from stack.processes import Supervisor
from stack.program import Program
from stack.restarts import Lives, RestartPolicy
from tests.stack.waiting import all_gone, is_alive, wait_for, wait_for_text

pytestmark = pytest.mark.slow

AT_ONCE = RestartPolicy(first_wait_s=0.0)
# A parent whose child holds a port, as gunicorn's do: the child lives on when the parent alone is killed.
LISTENER = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    time.sleep(60)
print("up", os.getpid(), flush=True); time.sleep(60)
"""
INTERRUPTED = """
import sys
from pathlib import Path
from stack.processes import StopRequested, Supervisor
from stack.program import Program
from stack.restarts import RestartPolicy
folder = Path(sys.argv[1])
with Supervisor(lambda line: print(line, flush=True), RestartPolicy(first_wait_s=60.0)) as supervisor:
    healthy = Program("healthy", ["sleep", "60"], folder / "healthy.log")
    supervisor.start(healthy)
    print(healthy.pid, flush=True)
    supervisor.wait_until_ready(lambda: "", timeout_s=1)
    supervisor.start(Program("sick", ["false"], folder / "sick.log"))
    try:
        supervisor.watch()
    except StopRequested as stop:
        print("asked by", stop, flush=True)
"""


def sleeper(name: str, folder: Path) -> Program:
    return Program(name, ["sleep", "60"], folder / f"{name}.log")


def look_until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    def looked() -> bool:
        supervisor.check()
        return condition()

    assert wait_for(looked, timeout_s=10.0)


def runs_again(program: Program, before: int | None) -> bool:
    return program.is_running() and program.pid != before


def ready(supervisor: Supervisor) -> None:
    supervisor.wait_until_ready(lambda: "", timeout_s=1.0)


def test_a_killed_part_is_started_again_and_one_line_says_what_why_when_and_where(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(said.append, AT_ONCE) as supervisor:
        supervisor.start(api := sleeper("api", tmp_path))
        supervisor.start(other := sleeper("other", tmp_path))
        ready(supervisor)
        dead, bystander = api.pid, other.pid
        os.kill(dead or 0, signal.SIGKILL)
        look_until(supervisor, lambda: runs_again(api, dead))
        assert said == [f"api was ended by SIGKILL; starting it again in 0 s (log {api.log_path})"]
        assert other.pid == bystander


def test_all_parts_killed_at_once_come_back(tmp_path: Path) -> None:
    with Supervisor(lambda line: None, AT_ONCE) as supervisor:
        parts = [sleeper(f"worker-{number}", tmp_path) for number in range(3)]
        for part in parts:
            supervisor.start(part)
        dead = {part.name: part.pid for part in parts}
        for part in parts:
            os.kill(part.pid or 0, signal.SIGKILL)
        look_until(supervisor, lambda: all(runs_again(part, dead[part.name]) for part in parts))


def test_a_part_that_leaves_in_order_comes_back_too(tmp_path: Path) -> None:
    """A worker whose engine broke ends with exit code 0, and counts on whoever runs it."""
    said: list[str] = []
    with Supervisor(said.append, RestartPolicy(first_wait_s=0.0, most=1)) as supervisor:
        supervisor.start(Program("worker", ["true"], tmp_path / "worker.log"))
        with pytest.raises(ProgramFailed, match="worker ended with exit code 0, 2 times in a row"):
            supervisor.watch()
    assert len(said) == 1


def test_a_stopped_process_is_not_a_dead_one(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(said.append, AT_ONCE) as supervisor:
        supervisor.start(part := sleeper("worker", tmp_path))
        pid = part.pid or 0
        os.kill(pid, signal.SIGSTOP)
        assert wait_for(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        supervisor.check()
        os.kill(pid, signal.SIGCONT)
        supervisor.check()
        assert (part.pid, said) == (pid, [])


def test_the_wait_doubles_up_to_a_bound_and_a_steady_life_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lives = Lives(RestartPolicy(first_wait_s=1.0, longest_wait_s=5.0, most=5, steady_s=60.0))
    waits = []
    for _ in range(6):
        waits.append(lives.end())
        lives.begin()
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, None]
    now[0] += 61.0
    assert lives.end() == 1.0


def test_the_next_life_waits_its_time_while_the_others_are_watched(tmp_path: Path) -> None:
    with Supervisor(lambda line: None, RestartPolicy(first_wait_s=60.0)) as supervisor:
        for part in (first := sleeper("first", tmp_path), second := sleeper("second", tmp_path)):
            supervisor.start(part)
        ready(supervisor)
        os.kill(first.pid or 0, signal.SIGKILL)
        assert wait_for(lambda: not first.is_running())
        for _ in range(3):
            supervisor.check()
        assert not first.is_running()
        assert second.is_running()


def test_repeated_deaths_end_it_with_their_number_and_the_log_of_all_lives(tmp_path: Path) -> None:
    said: list[str] = []
    code = "import sys; print('no such model', flush=True); sys.exit(3)"
    with Supervisor(said.append, RestartPolicy(first_wait_s=0.0, most=2)) as supervisor:
        ready(supervisor)
        supervisor.start(Program("worker", [sys.executable, "-c", code], tmp_path / "worker.log"))
        with pytest.raises(ProgramFailed, match=r"exit code 3, 3 times in a row; its log is .*worker\.log") as failure:
            supervisor.watch()
    assert len(said) == 2
    assert failure.value.log_tail() == ["no such model"] * 3


def test_a_part_that_gives_up_at_the_first_start_ends_it_at_once_with_its_reason(tmp_path: Path) -> None:
    said: list[str] = []
    code = "print('PORT: not a number'); raise SystemExit(2)"
    with Supervisor(said.append, AT_ONCE) as supervisor:
        supervisor.start(Program("api", [sys.executable, "-c", code], tmp_path / "api.log"))
        with pytest.raises(ProgramFailed, match="api ended with exit code 2; its log is") as failure:
            supervisor.watch()
    assert (said, failure.value.log_tail()) == ([], ["PORT: not a number"])


def test_deaths_of_lives_that_did_their_work_are_no_reason_to_give_up() -> None:
    """A poison job kills its worker MAX_ATTEMPTS times, and so may the next one."""
    lives = Lives(RestartPolicy(first_wait_s=0.5, longest_wait_s=4.0, most=1), was_useful=lambda since: True)
    waits = []
    for _ in range(9):
        waits.append(lives.end())
        lives.begin()
    assert waits == [0.5, 1.0, 2.0] + [4.0] * 6


def test_what_a_dead_part_left_behind_does_not_keep_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    api = Program("api", [sys.executable, "-c", LISTENER, str(port)], tmp_path / "api.log")
    with Supervisor(lambda line: None, AT_ONCE) as supervisor:
        supervisor.start(api)
        wait_for_text(api.log_path, "up")
        ready(supervisor)
        os.kill(api.pid or 0, signal.SIGKILL)
        look_until(supervisor, lambda: api.log_path.read_text().count("up") == 2)
    assert "in use" not in api.log_path.read_text()


@pytest.fixture
def broker(tmp_path: Path) -> EmbeddedBroker:
    return EmbeddedBroker(tmp_path / "broker")


def test_a_killed_broker_comes_back_on_its_port_with_its_password_and_its_data(broker: EmbeddedBroker) -> None:
    said: list[str] = []
    with Supervisor(said.append, AT_ONCE) as supervisor:
        supervisor.start(broker)
        client = redis.Redis.from_url(broker.url, decode_responses=True)
        client.set("key", "value")
        url, dead = broker.url, broker.pid
        os.kill(dead, signal.SIGKILL)
        look_until(supervisor, lambda: bool(said) and broker.is_running())
        assert (broker.url, client.get("key")) == (url, "value")
        assert broker.pid != dead
    assert said[0] == f"broker was ended by SIGKILL; starting it again in 0 s (log {broker.log_path})"


def test_a_broker_whose_port_was_taken_meanwhile_says_so_and_comes_back_when_it_is_free(broker: EmbeddedBroker) -> None:
    said: list[str] = []
    with Supervisor(said.append, RestartPolicy(first_wait_s=0.2)) as supervisor:
        supervisor.start(broker)
        os.kill(broker.pid, signal.SIGKILL)
        look_until(supervisor, lambda: len(said) == 1)
        with socket.create_server(("127.0.0.1", broker.port)):
            look_until(supervisor, lambda: len(said) == 2)
        look_until(supervisor, broker.is_running)
    assert f"broker cannot be started: port {broker.port} on 127.0.0.1 is in use" in said[1]


def test_a_broker_that_cannot_start_any_more_is_given_up_and_its_log_named(broker: EmbeddedBroker) -> None:
    with Supervisor(lambda line: None, RestartPolicy(first_wait_s=0.0, most=1)) as supervisor:
        supervisor.start(broker)
        os.kill(broker.pid, signal.SIGKILL)
        assert wait_for(lambda: not broker.is_running())
        files = broker.folder / "appendonlydir"
        files.rename(files.with_name("moved"))
        files.write_text("in the way")
        with pytest.raises(ProgramFailed, match=r"broker did not start, 2 times in a row; its log is .*broker\.log"):
            supervisor.watch()


def test_ctrl_c_during_the_wait_ends_everything(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    healthy = int(process.stdout.readline())
    assert "starting it again in 60 s" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=5)
    assert "asked by SIGINT" in output
    assert all_gone([healthy])


def test_without_a_policy_one_death_ends_it(tmp_path: Path) -> None:
    with Supervisor(lambda line: None) as supervisor:
        supervisor.start(part := sleeper("api", tmp_path))
        os.kill(part.pid or 0, signal.SIGKILL)
        with pytest.raises(ProgramFailed, match="api was ended by SIGKILL"):
            supervisor.watch()
        assert not is_alive(part.pid or 0)
