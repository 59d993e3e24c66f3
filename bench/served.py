"""Build the stack that a benchmark of the service runs, with settings of its own, not the environment's."""

from __future__ import annotations

from pathlib import Path

from stack.demo import clean_environment
from stack.ports import free_port
from stack.services import Services, StackSettings

READY_TIMEOUT_S = 300.0


def services_of(folder: Path, model: str, slots: int, **more: str) -> Services:
    """Return a whole stack in that folder, `more` being in its environment."""
    settings = StackSettings.model_construct(  # not from the environment: nothing of the service's own is used
        port=free_port(),
        model=model,
        default_model=model,
        model_aliases={},
        local_storage_path=folder / "audio",
        state_folder=folder,
        worker_concurrency=slots + 2,
    )
    environment = clean_environment() | {"SLOTS": str(slots), "DEVICE": "cpu", "WEB_CONCURRENCY": "1"} | more
    return Services(settings, redis_url=None, environment=environment, grace_s=15.0, cwd=folder)
