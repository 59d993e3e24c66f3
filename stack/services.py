"""Describe the programs that make up Ostinato on one machine, their settings, and when they are ready to serve.

Owns the commands and the environment of broker, workers, housekeeping and API, and asks the API only one thing:
GET /health/ready.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from api.auth.exposure import refuse_open
from shared.broker.connection import connect
from shared.errors import OstinatoError
from shared.music.catalog import Catalog
from shared.settings import ROOT, Settings, read_environment
from shared.workers.registry import WorkerRegistry
from stack import child_process
from stack.broker import EmbeddedBroker
from stack.certificate import Certificate
from stack.ports import LOOPBACK, is_free
from stack.processes import Supervisor
from stack.program import Program

REACHED_BY = {"localhost": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "[::1]"}  # from this machine
TINY = "tiny"
# Programs written for the published models, or for an endpoint of RunPod's, run on the shipped one. Responses still
# name the model that made the music.
TINY_ALIASES = dict.fromkeys(("small", "medium", "large", "melody", "melody-large"), TINY)
ANY_ENDPOINT = "*"  # of RUNPOD_ENDPOINTS
BROKER_FOLDER = "broker"  # below the state folder
BROKER_STAGE = 1  # the broker stops last: the others write to it until their end
READY_TIMEOUT_S = 900.0  # a published model may have to be downloaded first


class StackSettings(Settings):
    """Hold the stack's own settings, beside those that it hands on to its children."""

    port: int = Field(8000, ge=1, le=65535, description="the API's port on this machine")
    web_concurrency: int = Field(2, ge=1, description="processes of the API")
    restart_wait_s: float = Field(
        1.0, ge=0, description="seconds before a process that died is started again, doubled at each death in a row"
    )
    restart_attempts: int = Field(5, ge=0, description="deaths in a row after which all of it ends")
    state_folder: Path = Field(ROOT / "var", description="where state is kept")


def read_stack_settings() -> StackSettings:
    """Read the environment's settings, with the shipped tiny model where no other is named."""
    settings = read_environment(StackSettings)
    return settings.model_copy(update=_defaults(settings))


def _defaults(settings: StackSettings) -> dict[str, object]:
    given = settings.model_fields_set
    model = settings.model if "model" in given else TINY
    updates: dict[str, object] = {"model": model}
    if "default_model" not in given:
        updates["default_model"] = Catalog(settings).for_worker(model).name
    if model == TINY:
        unserved = {name: TINY for name in TINY_ALIASES if name not in settings.served_models}
        updates["model_aliases"] = unserved | settings.model_aliases
    default = str(updates.get("default_model", settings.default_model))
    updates["runpod_endpoints"] = {ANY_ENDPOINT: default} | settings.runpod_endpoints
    if "local_storage_path" not in given:
        updates["local_storage_path"] = settings.state_folder / "audio"
    return updates


@dataclass(frozen=True)
class Services:
    """Build the programs of one stack. `redis_url` None means: with a broker of its own, in the state folder."""

    settings: StackSettings
    redis_url: str | None
    environment: dict[str, str]
    host: str = LOOPBACK
    certificate: Certificate | None = None  # then the API is served by https
    grace_s: float = 30.0
    cwd: Path = ROOT
    spawn_worker: Callable[..., child_process.Child] = child_process.spawn

    @property
    def url(self) -> str:
        host = REACHED_BY.get(self.host, self._host)
        return f"{'https' if self.certificate else 'http'}://{host}:{self.settings.port}"

    @property
    def _host(self) -> str:
        """Return where the API listens, as addresses with a port have it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def log_folder(self) -> Path:
        return self.settings.state_folder / "log"

    @property
    def models(self) -> tuple[str, ...]:
        """List the models that get a worker each: the served ones where they are listed, otherwise MODEL."""
        return self.settings.served_models or (self.settings.model,)

    def start(self, supervisor: Supervisor, say: Callable[[str], None]) -> None:
        url = self.redis_url
        if url is None:
            broker = EmbeddedBroker(self.settings.state_folder / BROKER_FOLDER, say=say)
            supervisor.start(broker, stop_stage=BROKER_STAGE)
            url = broker.url
            say(f"broker   {broker.address}  (data and password in {_short(broker.folder)})")
        else:
            say("broker   the one that REDIS_URL names")
        refuse_open([self.host], self.settings.model_copy(update={"redis_url": url, "bind_address": None}))
        for model in self.models:
            worker = self.worker(model, url)
            supervisor.start(worker, was_useful=self.announced_since(model, url))
            say(f"worker   model {model}  (log {_short(worker.log_path)})")
        housekeeping = self.housekeeping(url)
        supervisor.start(housekeeping)
        say(f"webhooks and cleaner  (log {_short(housekeeping.log_path)})")
        api = self.api(url)
        supervisor.start(api)
        say(f"api      {self.url}  (log {_short(api.log_path)})")

    def worker(self, model: str, redis_url: str) -> Program:
        entry = Catalog(self.settings).for_worker(model)
        command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker"]
        command += [
            "--hostname",
            f"{entry.name}-{self.settings.port}@%h",
            "--loglevel",
            "INFO",
            "--without-mingle",
            "--without-gossip",
        ]
        # SIGKILL at the parent's death: the broker goes at the same moment, so a slow goodbye would only hang. The
        # job that was running runs again at the next start.
        drain_s = max(0.0, self.grace_s - 5)  # so that what does not end in time is requeued before SIGKILL
        environment = {"MODEL": model, "DRAIN_S": f"{drain_s:g}"}
        if self.settings.worker_concurrency is not None:
            environment["WORKER_CONCURRENCY"] = str(self.settings.worker_concurrency)
        program = self._program(f"worker-{entry.name}", command, redis_url, signal.SIGKILL, **environment)
        program.spawn = self.spawn_worker
        return program

    def announced_since(self, model: str, redis_url: str) -> Callable[[float], bool]:
        """Return a question: has a worker of that model got ready for work since that time?"""
        settings = self.settings.model_copy(update={"redis_url": redis_url})
        name = Catalog(settings).for_worker(model).name

        def announced(since: float) -> bool:
            try:
                live = WorkerRegistry(connect(settings), settings).live()
            except OstinatoError:
                return False
            return any(record.model == name and record.started_at > since for record in live)

        return announced

    def api(self, redis_url: str) -> Program:
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "api.wsgi:app",
            "--config",
            str(ROOT / "stack" / "gunicorn.conf.py"),
        ]
        command += ["--bind", f"{self._host}:{self.settings.port}"]
        if self.certificate:
            command += ["--certfile", str(self.certificate.path), "--keyfile", str(self.certificate.key)]
        settings = self.settings
        environment = {
            "BIND_ADDRESS": self.host,
            "INSECURE": "1" if settings.insecure else "0",
            # gunicorn's configuration reads its environment, and no `.env`
            "WEB_CONCURRENCY": self.environment.get("WEB_CONCURRENCY") or str(settings.web_concurrency),
            "GUNICORN_TIMEOUT": self.environment.get("GUNICORN_TIMEOUT") or str(settings.gunicorn_timeout),
            "GUNICORN_GRACEFUL_TIMEOUT": "3",
        }
        return self._program("api", command, redis_url, signal.SIGTERM, **environment)

    def housekeeping(self, redis_url: str) -> Program:
        """Build housekeeping. Killed at any moment it loses nothing: what it was delivering is delivered again."""
        return self._program("housekeeping", [sys.executable, "-m", "housekeeping"], redis_url, signal.SIGKILL)

    def missing(self) -> str:
        """Return what the stack still waits for; empty when it can take requests for the default model."""
        return what_is_missing(f"{self.url}/health/ready", self.certificate)

    def port_is_free(self) -> bool:
        return is_free(self.settings.port)

    def _program(
        self, name: str, command: list[str], redis_url: str, at_parent_death: signal.Signals, **environment: str
    ) -> Program:
        settings = self.settings
        common = {
            "REDIS_URL": redis_url,
            "DEFAULT_MODEL": settings.default_model,
            "MODEL_ALIASES": _pairs(settings.model_aliases),
            "RUNPOD_ENDPOINTS": _pairs(settings.runpod_endpoints),
            "LOCAL_STORAGE_PATH": str(settings.local_storage_path),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), self.environment.get("PYTHONPATH")])),
            "PYTHONUNBUFFERED": "1",
        }
        return Program(
            name,
            command,
            log_path=self.log_folder / f"{name}.log",
            env=self.environment | common | environment,
            cwd=self.cwd,
            grace_s=self.grace_s,
            at_parent_death=at_parent_death,
        )


def _pairs(pairs: Mapping[str, str]) -> str:
    """Return a mapping as the environment spells it."""
    return ",".join(f"{name}={target}" for name, target in pairs.items())


def what_is_missing(url: str, certificate: Certificate | None = None) -> str:
    context = certificate.trusting() if certificate else None
    try:
        with urllib.request.urlopen(url, timeout=5.0, context=context):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return _explain(error.code, error.read())
    except OSError:
        return "the API is starting"


def _explain(status: int, body: bytes) -> str:
    try:
        faults = json.loads(body)["faults"]
        return "; ".join(str(fault) for fault in faults.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the API answers {status}"


def _short(path: Path) -> str:
    """Return the path relative to the current folder, when it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
