"""The API as it is served, for tests: gunicorn by the house's own configuration, in a folder of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from shared.settings import ROOT, Settings
from stack.ports import LOOPBACK, free_port
from stack.program import Program
from stack.services import what_is_missing

BOOT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Served:
    port: int
    program: Program
    settings: Settings

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def most_held(self) -> int:
        """Return the most memory that any of the server's processes ever held, in bytes."""
        found = [p for p in psutil.Process().children(recursive=True) if f":{self.port}" in " ".join(p.cmdline())]
        assert len(found) >= 2, "gunicorn and its worker"
        return max(map(_most_ever, found))


@dataclass(frozen=True)
class SharedApi:
    """Hold the server of the tests of the group "served", and the most memory that it held before the first of them."""

    served: Served
    held_before: int


@contextmanager
def serve(folder: Path, settings: Settings, **environment: str) -> Iterator[Served]:
    """On the settings' broker and folder of audio, as soon as it answers. All else it knows from its environment."""
    port = free_port()
    config = str(ROOT / "stack" / "gunicorn.conf.py")
    usual = {
        "REDIS_URL": settings.redis_url,
        "LOCAL_STORAGE_PATH": str(settings.local_storage_path),
        "WEB_CONCURRENCY": "1",
        "PYTHONPATH": str(ROOT),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    program = Program(
        "api",
        [sys.executable, "-m", "gunicorn", "api.wsgi:app", "--config", config, "--bind", f"{LOOPBACK}:{port}"],
        log_path=folder / "api.log",
        env=os.environ | usual | environment,
        cwd=folder,
    )
    program.start()
    try:
        give_up_at = time.monotonic() + BOOT_TIMEOUT_S
        while missing := what_is_missing(f"http://{LOOPBACK}:{port}/health/live"):
            assert program.is_running(), program.log_path.read_text()
            assert time.monotonic() < give_up_at, f"{missing}\n{program.log_path.read_text()}"
            time.sleep(0.1)
        yield Served(port, program, settings)
    finally:
        program.kill()  # a stop in order takes a second or two; who tests one asks for it


def _most_ever(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
