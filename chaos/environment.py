"""Start and stop the real stack of a chaos run: broker, S3 server, API, housekeeping and workers as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.processes import BOOT_TIMEOUT_S, WorkerPool
from shared.broker.connection import connect
from shared.jobs.store import JobStore
from shared.settings import ROOT
from shared.workers.registry import WorkerRegistry
from stack import child_process
from stack.broker import EmbeddedBroker
from stack.errors import ProgramFailed
from stack.ports import free_port
from stack.processes import Supervisor
from stack.program import Program
from stack.services import Services, StackSettings
from tests.servers import S3Server

MODEL = "tiny"
SLOTS = 3  # few, so that several jobs die at once and all workers have some
STORAGE_STAGE, BROKER_STAGE = 1, 2  # what the others write to stops last


class Storage:
    """Run the S3 server as a process that a supervisor can stop."""

    name, grace_s = "storage", 5.0

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.server = S3Server(folder)
        self.log_path = self.server.log_path
        self._runs = False

    def start(self) -> None:
        self.server.start()
        self._runs = True

    def is_running(self) -> bool:
        return self._runs

    def how_it_ended(self) -> str:
        return "was stopped"

    def exit_code(self) -> int | None:
        return None  # no process of its own

    def request_stop(self) -> None:
        self.stop()

    def kill(self) -> None:
        self.stop()

    def stop(self) -> None:
        self._runs = False
        self.server.stop()


class Environment:
    """Start everything on entering a `with` block, and stop all of it, however the block is left."""

    def __init__(
        self,
        folder: Path,
        workers: int,
        webhook_secret: str,
        checkpoint: Path | None = None,
        spawn: Callable[..., child_process.Child] = child_process.spawn,  # of the workers
    ) -> None:
        self.folder = folder
        self.storage = Storage(folder / "s3")
        self.broker = EmbeddedBroker(folder / "broker")
        self._workers = workers
        self._webhook_secret = webhook_secret
        self._checkpoint = checkpoint
        self._spawn = spawn
        self._supervisor = Supervisor(lambda _: None)

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        try:
            self._open()
        except BaseException:
            self._supervisor.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.__exit__(kind, error, trace)

    def _open(self) -> None:
        self._supervisor.start(self.broker, stop_stage=BROKER_STAGE)
        self._supervisor.start(self.storage, stop_stage=STORAGE_STAGE)
        settings = self._settings()
        services = Services(settings, self.broker.url, self._variables(), grace_s=10.0)
        self.url = services.url
        self.redis = connect(settings)
        self.store = JobStore(self.redis, settings)
        self.registry = WorkerRegistry(self.redis, settings)
        self.worker_pool = WorkerPool(self._workers, lambda name: self._worker(services, name), services.log_folder)
        self._steady = [services.api(self.broker.url), services.housekeeping(self.broker.url)]
        for program in self._steady:
            self._supervisor.start(program)
        self._supervisor.start(self.worker_pool)
        self.worker_pool.await_boot(self.registry)
        self.check()

    def check(self) -> None:
        """Raise ProgramFailed when a process has ended that no fault kills."""
        for program in self._steady:
            if not program.is_running():
                raise ProgramFailed(program.name, program.how_it_ended(), program.log_path)

    def _worker(self, services: Services, name: str) -> Program:
        program = services.worker(MODEL, self.broker.url)
        program.name, program.log_path = name, services.log_folder / f"{name}.log"
        program.env = {**program.env, "WORKER_NAME": name}
        program.command = [*program.command, "--hostname", f"{name}@%h"]
        program.spawn = self._spawn
        return program

    def _settings(self) -> StackSettings:
        return StackSettings(
            _env_file=None,
            redis_url=self.broker.url,
            port=free_port(),
            model=MODEL,
            default_model=MODEL,
            local_storage_path=self.folder / "audio",
            state_folder=self.folder,
            worker_concurrency=SLOTS,
        )

    def _variables(self) -> dict[str, str]:
        s3 = self.storage.server
        checkpoint = self._checkpoint or make_checkpoint(self.folder / "checkpoint")
        return {
            **os.environ,
            "MODEL_CHECKPOINTS": f"{MODEL}={checkpoint}",
            "S3_ENDPOINT_URL": s3.endpoint_url,
            "S3_BUCKET_NAME": s3.bucket,
            "S3_ACCESS_KEY": s3.access_key,
            "S3_SECRET_KEY": s3.secret_key,
            "WEBHOOK_SECRET": self._webhook_secret,
            "WEBHOOK_ALLOW_PRIVATE": "1",
            "RESULT_CACHE": "0",  # each job is to be made
            "EXACT": "1",  # the same bytes alone and in a batch
            "SLOTS": str(SLOTS),
            "OMP_NUM_THREADS": "1",
            "OFFLINE": "1",
            "WEB_CONCURRENCY": "2",
        }


def make_checkpoint(folder: Path) -> Path:
    """Write a small random checkpoint of the shipped model's shape; equal seeds give equal weights."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.random_checkpoint", "--shape", MODEL, str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=BOOT_TIMEOUT_S)
    return folder
