"""Record with which settings a stack runs, in its folder, for the operator's commands beside it.

A shell that checks or repairs a stack need not have the variables that it was started with. Secrets are not written
down: that one is set is recorded, and the shell must have it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from shared.settings import read_environment
from shared.settings.values import SettingsGroup
from stack.broker import address_in
from stack.broker_password import write_private
from stack.certificate import Certificate, certificate_in
from stack.services import BROKER_FOLDER, Services, StackSettings, read_stack_settings

RECORD_FILE = "running.json"
REDIS_URL = "redis_url"
SECRETS = {name for name, field in StackSettings.model_fields.items() if not field.repr} - {REDIS_URL}
MASK = "***"
OF_THE_COMMAND = {"insecure"}  # `make up ARGS=--insecure` says it, too


class Shell(SettingsGroup):
    """Hold what a shell says of where a stack is; the rest of its settings may be wrong meanwhile."""

    state_folder: Path = StackSettings.model_fields["state_folder"].default
    redis_url: str | None = None


@dataclass(frozen=True)
class RunningStack:
    """Describe the stack that runs in a folder. `settings` are its own; `unknown` are secrets that this shell lacks."""

    pid: int
    url: str
    settings: StackSettings
    unknown: tuple[str, ...]

    @property
    def certificate(self) -> Certificate | None:
        """Return what it is served under; None by plain http."""
        return certificate_in(self.settings.state_folder) if self.url.startswith("https:") else None

    def differences(self) -> tuple[str, ...]:
        """Return the names of the settings that a restart from this shell would change. Raises ConfigurationError."""
        here, there = _written(read_stack_settings()), _written(self.settings)
        differing = {name for name in here if here[name] != there[name]} - OF_THE_COMMAND
        return tuple(sorted(name.upper() for name in differing))


@contextmanager
def recorded(services: Services) -> Iterator[None]:
    """Record inside that this stack runs here."""
    settings, redis_url = services.settings, services.redis_url
    path = settings.state_folder / RECORD_FILE
    own = psutil.Process()
    record = {
        "pid": own.pid,
        "process_started": own.create_time(),
        "url": services.url,
        "redis_url": redis_url and masked(redis_url),  # null: a broker of its own
        "settings": _written(settings),
        "secrets": sorted(name for name in SECRETS if getattr(settings, name)),
    }
    write_private(path, json.dumps(record, indent=2) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running() -> RunningStack | None:
    """Find the stack of the folder that this shell names; None where none runs, or the shell names another broker.

    Raises ConfigurationError.
    """
    shell = read_environment(Shell)
    record = _read(shell.state_folder / RECORD_FILE)
    if record is None:
        return None
    own_broker = address_in(shell.state_folder / BROKER_FOLDER)
    there = record["redis_url"] or own_broker
    if shell.redis_url is not None and there is not None and masked(shell.redis_url) != masked(there):
        return None
    redis_url = shell.redis_url or there
    settings = read_environment(StackSettings, **record["settings"], **({"redis_url": redis_url} if redis_url else {}))
    unknown = [name for name in record["secrets"] if not getattr(settings, name)]
    if redis_url is not None and MASK in redis_url:
        unknown.append(REDIS_URL)
    return RunningStack(record["pid"], record["url"], settings, tuple(name.upper() for name in unknown))


def masked(url: str) -> str:
    """Return a broker's address with its password covered."""
    return re.sub(r"(//[^:/@]*:).*@", rf"\1{MASK}@", url)


def _written(settings: StackSettings) -> dict[str, Any]:
    """Return the settings that may be written down, as they are read back."""
    return settings.model_dump(mode="json", exclude=SECRETS | {REDIS_URL, "state_folder"})


def _read(path: Path) -> dict[str, Any] | None:
    """Return the record of a stack that lives; None where there is none, or its process is gone."""
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        alive = psutil.Process(record["pid"]).create_time() == record["process_started"]
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return record if alive else None
