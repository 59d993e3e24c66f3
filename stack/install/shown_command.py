"""Run a command whose output people watch, progress bars included, and keep the end of it for this program to read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Sequence
from dataclasses import dataclass

KEPT_BYTES = 64 * 1024
SILENCE_S = 20.0  # after which a line says that it goes on, where no bar shows it


@dataclass(frozen=True)
class Ended:
    """Hold how a command ended: its exit code, and the last of what it printed."""

    code: int
    output: str


def run_shown(command: Sequence[str]) -> Ended:
    """Run it with its output where ours goes. On a terminal it sees one too, and so draws its progress bars."""
    on_terminal = sys.stdout.isatty()
    reading, writing = _open_terminal() if on_terminal else os.pipe()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing) as process:
        os.close(writing)
        output = _copy(reading, says_silence=not on_terminal)
    os.close(reading)
    return Ended(process.returncode, output.decode("utf-8", "replace"))


def run_quietly(command: Sequence[str]) -> Ended:
    """Run it without showing what it prints."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    return Ended(done.returncode, done.stdout)


def _open_terminal() -> tuple[int, int]:
    """Open a pseudo-terminal as wide as ours, which changes nothing of what is written to it."""
    reading, writing = pty.openpty()
    tty.setraw(writing)
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(writing, termios.TIOCSWINSZ, size)
    return reading, writing


def _copy(reading: int, *, says_silence: bool) -> bytes:
    """Copy to standard output until the other end is closed; returns the end of what was copied."""
    kept, begun = b"", time.monotonic()
    while True:
        if says_silence and not select.select([reading], [], [], SILENCE_S)[0]:
            print(f"    still working, {time.monotonic() - begun:.0f} s so far", flush=True)
            continue
        try:
            chunk = os.read(reading, 4096)
        except OSError:  # a pseudo-terminal's other end is closed (Linux)
            return kept
        if not chunk:
            return kept
        kept = (kept + chunk)[-KEPT_BYTES:]
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
