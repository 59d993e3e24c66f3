"""The API as it is served, for tests: gunicorn by the house's own configuration, in a folder of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.settings import ROOT, Settings
from stack.ports import LOOPBACK, free_port
from stack.program import Program
from stack.services import what_is_missing

BOOT_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Served:
    port: int
    program: Program

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


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
        yield Served(port, program)
    finally:
        program.kill()  # a stop in order takes a second or two; who tests one asks for it
