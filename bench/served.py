"""Prepare what a benchmark of the service needs: a stack of its own, in a folder that is removed afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.settings import ROOT
from stack.isolated import isolated_services
from stack.services import Services

READY_TIMEOUT_S = 300.0


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder below var/bench, and remove it at the end."""
    root = ROOT / "var" / "bench"
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def services_of(folder: Path, model: str, slots: int, **more: str) -> Services:
    """Build a stack in that folder with one worker of so many slots; `more` is in its programs' environment."""
    own = {"SLOTS": str(slots), "DEVICE": "cpu", "WEB_CONCURRENCY": "1"}
    return isolated_services(folder, model, worker_concurrency=slots + 2, environment=own | more)
