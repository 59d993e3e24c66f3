"""Run real processes for the five documents: broker, one worker with the shipped model, webhooks, and two APIs.

The APIs share broker, storage and worker. `open_door` is for whoever reaches it; `locked` has keys, and among them are
the documents' own placeholders, so that their examples run as they stand. At `locked`, medium and large are models of
their own that no worker serves: what is sent to them waits in line.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from shared.broker.connection import connect
from shared.jobs.job import LOCAL, Job
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.services import Services, StackSettings
from tests.audio_fixtures import read_back
from tests.e2e.conftest import JOB_TIMEOUT_S, Stack
from tests.fork_server import ForkServer
from tests.housekeeping.webhooks.receiver import Server, receiver

WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# keys as the documents write them; somebody else's; and those who fill a queue, each within its limit a minute
PLACEHOLDERS = ("YOUR_API_KEY", "YOUR_KEY", "your-api-key-here")
STRANGER = "somebody-elses-key"
FILLERS = ("filler-one", "filler-two", "filler-three", "filler-four")
ENDPOINT = "9eb182ubs5j0jf"
TINY_AS = dict.fromkeys(("small", "medium", "large", "melody", "melody-large", ENDPOINT), "tiny")
WAITING = ("medium", "large")  # of these, and of the first one's melody sibling, `locked` has no alias
MAX_QUEUE_LENGTH = 100  # both as documented, and at `locked` fewer files
MAX_STORED_FILES = 2
PAGE = "https://a.example"  # whose scripts may call `open_door`


@dataclass
class Door:
    """Hold one API as its callers see it, and what stands behind: the processes and the job records."""

    stack: Stack
    store: JobStore

    @property
    def url(self) -> str:
        return self.stack.services.url

    @property
    def http(self) -> httpx.Client:
        return self.stack.http

    def pids(self) -> set[int]:
        """Return the processes that answer."""
        return {child.pid for child in psutil.Process(self.stack.api.pid).children(recursive=True)}

    def recorded(self, task_id: str) -> Job:
        """Return the job as the workers will read it."""
        return self.store.reader.get(task_id)

    def newest(self, account: str = LOCAL) -> Job | None:
        return next(iter(self.store.reader.recent(account, limit=1)), None)

    def overhear(self, call: Callable[[], httpx.Response]) -> tuple[Job, httpx.Response]:
        """Return the job that a waiting call makes, and what it answers when that job is cancelled: none is made."""
        before = self.newest()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call)
            self.stack.wait_for(lambda: answer.done() or self.newest() != before, "the job of a waiting call")
            job = self.newest()
            assert job is not None
            assert job != before, answer.result().text
            assert self.http.delete(f"/tasks/{job.id}").status_code == 200
            return job, answer.result()

    def ended(self, path: str, going_on: Callable[[dict[str, Any]], bool], **more: Any) -> dict[str, Any]:
        """Poll that address as long as its answer says that it goes on."""
        give_up_at = time.monotonic() + JOB_TIMEOUT_S
        while going_on(answer := self.http.get(path, **more).json()):
            assert time.monotonic() < give_up_at, f"{path} still says {answer}\n{self.stack.logs()}"
            time.sleep(0.05)
        return dict(answer)


def account_of(key: str) -> str:
    """Return the account whose tasks are made with a key of API_KEYS."""
    return f"static-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def asked(request: MusicRequest, *names: str) -> dict[str, Any]:
    """Return those fields of a request that arrived, by their public names."""
    fields = request.model_dump(by_alias=True)
    return {name: fields[name] for name in names}


def heard(audio: bytes) -> tuple[int, float, int]:
    """Return (channels, seconds, rate in Hz) of a file that holds more than silence."""
    waveform, rate_hz = read_back(audio)
    assert np.abs(waveform).max() > 0.001, "silence"
    return waveform.shape[0], waveform.shape[1] / rate_hz, rate_hz


def heard_base64(text: str) -> tuple[int, float, int]:
    return heard(base64.b64decode(text, validate=True))


@pytest.fixture(scope="session")
def hooks() -> Iterator[Server]:
    with receiver() as server:
        yield server


@contextmanager
def two_doors(folder: Path, fork_server: ForkServer) -> Iterator[tuple[Door, Door]]:
    with EmbeddedBroker(folder / "broker") as broker:
        keys = ",".join((*PLACEHOLDERS, STRANGER, *FILLERS))
        aliases = {name: model for name, model in TINY_AS.items() if name not in (*WAITING, "melody")}
        more = {"API_KEYS": keys, "SERVED_MODELS": "tiny,medium,large", "WEB_CONCURRENCY": "1"}
        more["MAX_STORED_FILES"] = str(MAX_STORED_FILES)
        pages = {"CORS_ORIGINS": PAGE, "WEB_CONCURRENCY": "2"}
        first = Stack(_services(folder, "open", broker, TINY_AS, **pages), broker, fork_server)
        second = Stack(_services(folder, "locked", broker, aliases, **more), broker, fork_server)
        webhooks = first.services.housekeeping(broker.url)
        webhooks.env = {**webhooks.env, "PUBLIC_URL": first.services.url}
        store = JobStore(connect(read(broker)), read(broker))
        try:
            for program in (first.api, second.api, webhooks):
                program.start()
            first.start_worker("singer")
            first.await_workers("singer")
            second.await_workers("singer")
            yield Door(first, store), Door(second, store)
        finally:
            for stack in (second, first):
                stack.http.close()  # an API waits for open connections when it stops
                stack.stop()
            webhooks.stop()


def read(broker: EmbeddedBroker) -> Settings:
    return Settings(_env_file=None, redis_url=broker.url)


def _services(folder: Path, name: str, broker: EmbeddedBroker, aliases: dict[str, str], **more: str) -> Services:
    settings = StackSettings.model_construct(
        port=free_port(),
        model="tiny",
        default_model="small",
        model_aliases=aliases,
        local_storage_path=folder / "audio",
        state_folder=folder / name,
        worker_concurrency=1,
    )
    environment = {
        **os.environ,
        "S3_BUCKET_NAME": "",
        "MAX_QUEUE_LENGTH": str(MAX_QUEUE_LENGTH),
        "RESULT_CACHE": "0",  # equal requests are to be equal by themselves
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "OMP_NUM_THREADS": "1",
    }
    return Services(settings, broker.url, environment | more, grace_s=15.0)


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Iterator[tuple[Door, Door]]:
    with two_doors(tmp_path_factory.mktemp("documents"), fork_server) as both:
        yield both


@pytest.fixture(scope="session")
def open_door(doors: tuple[Door, Door]) -> Door:
    return doors[0]


@pytest.fixture(scope="session")
def locked(doors: tuple[Door, Door]) -> Door:
    return doors[1]


@pytest.fixture(scope="session")
def full_line(locked: Door) -> Iterator[Door]:
    """Fill the line of large: as many jobs wait as may."""
    share = MAX_QUEUE_LENGTH // len(FILLERS)
    for number in range(MAX_QUEUE_LENGTH):
        body = {"prompt": f"waiting {number}", "duration": 1, "model": "large"}
        answer = locked.http.post("/tasks", json=body, headers={"X-API-Key": FILLERS[number % len(FILLERS)]})
        assert answer.status_code == 202, answer.text
    yield locked
    for key in FILLERS:
        answer = locked.http.post("/v2/large/purge-queue", headers={"X-API-Key": key})
        assert answer.json() == {"removed": share, "status": "completed"}
