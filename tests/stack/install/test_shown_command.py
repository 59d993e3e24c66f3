"""A long command shows that it goes on: its own progress bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import ROOT
from stack.install import shown_command
from stack.install.shown_command import run_shown

INSIDE = "import os, sys; print(sys.stderr.isatty(), os.get_terminal_size().columns); sys.exit(3)"
OUTSIDE = f"""
import sys
from stack.install.shown_command import run_shown
print(run_shown([sys.executable, "-c", {INSIDE!r}]))
"""


def test_on_a_terminal_the_command_sees_one_as_wide(tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    subprocess.run(["stty", "cols", "97"], stdin=inner, check=True)
    process = subprocess.Popen([sys.executable, "-c", OUTSIDE], cwd=ROOT, stdout=inner)
    os.close(inner)
    said = b""
    while b"Ended" not in said or not said.endswith(b"\n"):
        said += os.read(outer, 1000)
    assert process.wait(10) == 0
    assert said.decode().splitlines() == ["True 97", "Ended(code=3, output='True 97\\n')"]


def test_elsewhere_its_output_passes_through_and_silence_is_broken_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(shown_command, "SILENCE_S", 0.1)
    ended = run_shown([sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(0.5); print('done')"])
    assert (ended.code, ended.output) == (0, "begun\ndone\n")
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert (lines[-1], "begun" in lines) == ("done", True)
    assert any(line.startswith("    still working") for line in lines)


def test_of_much_output_the_end_is_kept(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    ended = run_shown([sys.executable, "-c", "print('x' * 1_000_000); print('the reason')"])
    assert len(ended.output) == shown_command.KEPT_BYTES
    assert ended.output.endswith("\nthe reason\n")
    assert len(capfdbinary.readouterr().out) > 1_000_000
