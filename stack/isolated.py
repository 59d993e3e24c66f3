"""Build a stack that takes none of a service's settings from the environment, so that it works beside any other.

For the demo and for benchmarks: a free port, a folder of its own, a broker of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stack.ports import free_port
from stack.services import Services, StackSettings

KEPT_SETTINGS = ("DEVICE", "PRECISION", "CACHE_DIR", "OFFLINE")  # about this machine, not about a service


def isolated_services(
    folder: Path,
    model: str,
    *,
    aliases: Mapping[str, str] | None = None,
    worker_concurrency: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Services:
    """Build a stack of one model, with its state in that folder; `environment` is added to that of its programs."""
    settings = StackSettings.model_construct(  # reads no environment
        port=free_port(),
        model=model,
        default_model=model,
        model_aliases=dict(aliases or {}),
        local_storage_path=folder / "audio",
        state_folder=folder,
        worker_concurrency=worker_concurrency,
    )
    variables = clean_environment() | dict(environment or {})
    return Services(settings, redis_url=None, environment=variables, grace_s=15.0, cwd=folder)


def clean_environment() -> dict[str, str]:
    """Return the environment without the settings of a service."""
    names = {name.upper() for name in StackSettings.model_fields} | {"HOST"}
    return {k: v for k, v in os.environ.items() if k.upper() not in names or k.upper() in KEPT_SETTINGS}
