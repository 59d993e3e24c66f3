"""Run the real stack for tests: broker, S3 server, gunicorn and Celery workers as separate processes, over HTTP.

One stack per session, on a small random checkpoint so that it is quick; its audio goes to the S3 server. The workers
come from the fork server: nothing here is about how one boots.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.settings import ROOT
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.program import Program
from stack.services import Services, StackSettings
from tests.browser.pages import Pages, serve_pages
from tests.fork_server import ForkServer
from tests.servers import S3Server, s3_server

BOOT_TIMEOUT_S = 300.0
JOB_TIMEOUT_S = 60.0
STORAGE_RETRY_S = 12.0  # a short outage of the store is shorter, also where its server starts slowly


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


class Stack:
    """Hold the running processes, and an HTTP client that knows how to wait."""

    def __init__(self, services: Services, broker: EmbeddedBroker, fork_server: ForkServer) -> None:
        self.services = services
        self.broker = broker
        self._fork_server = fork_server
        self.http = httpx.Client(base_url=services.url, timeout=30.0)
        self.workers: dict[str, Program] = {}
        self.api = services.api(broker.url)

    def start_worker(self, name: str, model: str = "tiny", **changes: str) -> Program:
        """Start a worker; `changes` are to its environment."""
        worker = self.services.worker(model, self.broker.url)
        worker.name = name
        worker.log_path = self.services.log_folder / f"{name}.log"
        worker.env = {**worker.env, "WORKER_NAME": name, **changes}
        worker.command = [*worker.command, "--hostname", f"{name}@%h"]
        worker.spawn = self._fork_server.spawn
        worker.start()
        self.workers[name] = worker
        return worker

    def await_workers(self, *names: str) -> None:
        self.wait_for(lambda: set(names) <= self.live_workers(), f"workers {names}", BOOT_TIMEOUT_S, every_s=0.5)

    def live_workers(self) -> set[str]:
        try:
            return {worker["worker"] for worker in self.http.get("/health").json().get("workers", [])}
        except httpx.TransportError:
            return set()

    def wait_for(
        self, condition: Callable[[], object], what: str, timeout_s: float = JOB_TIMEOUT_S, every_s: float = 0.05
    ) -> None:
        give_up_at = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < give_up_at, f"waited {timeout_s:.0f} s for {what}\n{self.logs()}"
            time.sleep(every_s)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.services.log_folder.glob("*.log")))

    def submit(self, melody: bytes | None = None, **fields: Any) -> str:
        fields = {"prompt": "calm piano", "duration": 1.0} | fields
        if melody is None:
            answer = self.http.post("/tasks", json=fields)
        else:
            answer = self.http.post("/tasks", data=fields, files={"melody": ("hum.wav", melody)})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """Return the task; while the broker is coming back, once it answers."""
        give_up_at = time.monotonic() + JOB_TIMEOUT_S
        while (answer := self.http.get(f"/tasks/{task_id}")).status_code == 503 and time.monotonic() < give_up_at:
            time.sleep(0.1)
        task: dict[str, Any] = answer.json()
        return task

    def finish(self, task_id: str, timeout_s: float = JOB_TIMEOUT_S) -> dict[str, Any]:
        self.wait_for(lambda: self.task(task_id)["status"] != "processing", f"task {task_id}", timeout_s)
        return self.task(task_id)

    def audio(self, task: dict[str, Any]) -> bytes:
        assert task["status"] == "completed", task
        answer = httpx.get(httpx.URL(self.services.url).join(task["audio_url"]))
        assert answer.status_code == 200, answer.text
        return answer.content

    def generate(self, melody: bytes | None = None, **fields: Any) -> bytes:
        return self.audio(self.finish(self.submit(melody, **fields)))

    def stop(self) -> None:
        for process in (*self.workers.values(), self.api):
            process.stop()


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    """Serve pages of another origin than the stack's, which names them in CORS_ORIGINS."""
    with serve_pages(ROOT / "clients" / "js") as served:
        yield served


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, s3: S3Server, fork_server: ForkServer, pages: Pages
) -> Iterator[Stack]:
    """Run the API and one worker until the session ends; both are ready."""
    folder = tmp_path_factory.mktemp("stack")
    settings = StackSettings.model_construct(
        port=free_port(),
        model="tiny",
        default_model="tiny",
        model_aliases={"small": "tiny"},
        local_storage_path=folder / "audio",
        state_folder=folder,
        worker_concurrency=1,
    )
    environment = {
        **os.environ,
        "MODEL_CHECKPOINTS": f"tiny={checkpoint},cramped={checkpoint}",
        "S3_ENDPOINT_URL": s3.endpoint_url,
        "S3_BUCKET_NAME": s3.bucket,
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
        "STORAGE_RETRY_S": str(STORAGE_RETRY_S),
        "OMP_NUM_THREADS": "1",
        "WEB_CONCURRENCY": "2",
        "CORS_ORIGINS": pages.origin,
        "RESULT_CACHE": "0",  # equal requests are to be made anew, and compared
    }
    with EmbeddedBroker(folder / "broker") as broker:
        stack = Stack(Services(settings, broker.url, environment, grace_s=15.0), broker, fork_server)
        try:
            stack.api.start()
            stack.start_worker("first")
            stack.await_workers("first")
            yield stack
        finally:
            stack.stop()
