"""A supervisor starts in order, notices a failure, stops in order, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shared.settings import ROOT
from stack import child_process
from stack.errors import ProgramFailed
from stack.processes import StopRequested, Supervisor
from stack.program import Program
from tests.stack.waiting import all_gone, is_alive, wait_for, wait_for_text

# Notes in a shared file when it was asked to stop, then leaves after a moment.
POLITE = """
import signal, sys, time
name, diary = sys.argv[1:]
def leave(*_):
    open(diary, "a").write(f"{name} asked\\n"); time.sleep(0.2)
    open(diary, "a").write(f"{name} left\\n"); sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print(name, "is up", flush=True)
while True: time.sleep(0.05)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
# A child that leaves a grandchild behind.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "60"]); print("child", child.pid, flush=True); time.sleep(60)
"""
SUPERVISOR = """
import sys
from pathlib import Path
from stack import child_process
from stack.processes import Supervisor, StopRequested
from stack.program import Program
folder = Path(sys.argv[1])
child_process.KERNEL_SIGNALS &= "no-kernel" not in sys.argv
with Supervisor() as supervisor:
    try:
        for name in ("one", "two"):
            program = Program(name, ["sleep", "60"], folder / f"{name}.log")
            supervisor.start(program)
            print("pid", program.pid, flush=True)
        supervisor.watch()
    except StopRequested as stop:
        print("asked by", stop, flush=True)
"""


def program(name: str, code: str, folder: Path, *arguments: str, grace_s: float = 5.0) -> Program:
    return Program(name, [sys.executable, "-c", code, *arguments], folder / f"{name}.log", grace_s=grace_s)


def test_the_last_stage_is_asked_only_when_the_first_has_left(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    with Supervisor(say=lambda line: None) as supervisor:
        for name, stage in (("broker", 1), ("worker", 0), ("api", 0)):
            part = program(name, POLITE, tmp_path, name, str(diary))
            supervisor.start(part, stop_stage=stage)
            wait_for_text(part.log_path, "is up")
    lines = diary.read_text().splitlines()
    assert lines[-2:] == ["broker asked", "broker left"]
    assert set(lines[:2]) == {"worker asked", "api asked"}, "one stage is asked all at once"


def test_a_child_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Supervisor(say=lambda line: None) as supervisor:
        supervisor.start(program("worker", "print('no such model'); raise SystemExit(3)", tmp_path))
        with pytest.raises(ProgramFailed, match="worker ended with exit code 3") as failure:
            supervisor.watch()
    assert failure.value.log_tail() == ["no such model"]


def test_a_failure_of_one_stops_the_others(tmp_path: Path) -> None:
    healthy = program("healthy", "import time; time.sleep(60)", tmp_path)
    with Supervisor(say=lambda line: None) as supervisor:
        supervisor.start(healthy)
        supervisor.start(program("sick", "raise SystemExit(1)", tmp_path))
        with pytest.raises(ProgramFailed, match="sick"):
            supervisor.watch()
        assert healthy.is_running(), "the caller may still look at it"
    assert not healthy.is_running()


def test_a_command_that_does_not_exist_says_so_in_its_log(tmp_path: Path) -> None:
    missing = Program("ghost", ["/no/such/program"], tmp_path / "ghost.log")
    with Supervisor(say=lambda line: None) as supervisor:
        supervisor.start(missing)
        with pytest.raises(ProgramFailed, match="ghost") as failure:
            supervisor.watch()
    assert "cannot run /no/such/program" in "".join(failure.value.log_tail())


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    said: list[str] = []
    stubborn = program("stubborn", STUBBORN, tmp_path, grace_s=0.3)
    with Supervisor(say=said.append) as supervisor:
        supervisor.start(stubborn)
        wait_for_text(stubborn.log_path, "up")
    assert stubborn.how_it_ended() == "was ended by SIGKILL"
    assert "stubborn did not end by itself: killed" in said


def test_what_a_child_started_is_ended_with_it(tmp_path: Path) -> None:
    parent = program("parent", PARENT, tmp_path)
    with Supervisor(say=lambda line: None) as supervisor:
        supervisor.start(parent)
        grandchild = int(wait_for_text(parent.log_path, "\n").split()[1])
        assert is_alive(grandchild)
    assert all_gone([grandchild])


def test_waiting_gives_up_with_what_was_missing(tmp_path: Path) -> None:
    with Supervisor(say=lambda line: None) as supervisor:
        supervisor.start(program("slow", "import time; time.sleep(60)", tmp_path))
        with pytest.raises(ProgramFailed, match="the model is loading"):
            supervisor.wait_until_ready(lambda: "the model is loading", timeout_s=0.1)


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    for word in ("first", "second"):
        part = program("worker", f"print({word!r})", tmp_path)
        with Supervisor(say=lambda line: None) as supervisor:
            supervisor.start(part)
            wait_for_text(part.log_path, word)
    assert "second" in (tmp_path / "worker.log").read_text()
    assert "first" in (tmp_path / "worker.old.log").read_text()


def test_a_signal_raises_where_the_caller_is_and_the_old_handler_comes_back() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with Supervisor(say=lambda line: None), pytest.raises(StopRequested, match="SIGTERM"):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == former


def start_supervisor(folder: Path, *words: str) -> tuple[subprocess.Popen[str], list[int]]:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pids = [int(supervisor.stdout.readline().split()[1]) for _ in range(2)]
    assert all(map(is_alive, pids))
    return supervisor, pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_polite_signal_stops_all_children(tmp_path: Path, number: signal.Signals) -> None:
    supervisor, pids = start_supervisor(tmp_path)
    supervisor.send_signal(number)
    output, _ = supervisor.communicate(timeout=5)
    assert f"asked by {number.name}" in output
    assert all_gone(pids)


def test_a_closed_terminal_stops_all_children_even_if_it_signals_nobody(tmp_path: Path) -> None:
    terminal, inner = os.openpty()
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], cwd=ROOT, stdout=inner)
    os.close(inner)
    with os.fdopen(terminal) as output:
        pids = [int(output.readline().split()[1]) for _ in range(2)]
    supervisor.wait(5)
    assert all_gone(pids)


KERNELS = pytest.mark.parametrize("words", [(), ("no-kernel",)], ids=["this kernel", "one without such a signal"])


def watchers(pids: list[int]) -> list[int]:
    """The living processes beside these in their groups: what watches them where the kernel does not."""
    others = [pid for pid in psutil.pids() if pid not in pids and is_alive(pid)]
    return [pid for pid in others if group_of(pid) in pids]


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


@KERNELS
def test_no_child_outlives_a_supervisor_that_was_killed(tmp_path: Path, words: tuple[str, ...]) -> None:
    supervisor, pids = start_supervisor(tmp_path, *words)
    assert wait_for(lambda: len(watchers(pids)) == 2 * len(words)), "each child has one, where it needs one"
    supervisor.kill()
    supervisor.communicate()
    assert all_gone(pids)
    assert wait_for(lambda: not watchers(pids))


@KERNELS
def test_what_watches_a_child_ends_with_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    supervisor, pids = start_supervisor(tmp_path, *words)
    supervisor.terminate()
    supervisor.communicate(timeout=5)
    assert all_gone(pids)
    assert wait_for(lambda: not watchers(pids))


def test_without_the_kernels_signal_a_child_is_itself_and_has_no_child_that_it_did_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "KERNEL_SIGNALS", False)
    code = "import os, psutil; print(os.getpid(), os.getpgid(0), psutil.Process().children()); raise SystemExit(7)"
    with (tmp_path / "log").open("wb") as log:
        child = child_process.spawn([sys.executable, "-c", code], output=log)
    assert child.wait(20) == 7
    assert (tmp_path / "log").read_text() == f"{child.pid} {child.pid} []\n"
    assert wait_for(lambda: not watchers([child.pid]))
