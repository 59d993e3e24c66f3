"""Receivers, and the housekeeping process' parts over a real broker. The worker is played by the test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from housekeeping.cleaner import Cleaner
from housekeeping.outside_blobs import OutsideBlobs
from housekeeping.process import make_parts
from shared.broker.counters import Counters
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.leader_lock import LeaderLock
from shared.jobs.blob_references import BlobReferences
from shared.jobs.job import Fingerprint, Job, Result
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.storage import LocalStorage, Storage
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue, State
from shared.webhooks.subscription import Webhook
from tests.housekeeping.receiver import Server, receiver
from tests.servers import S3Server, s3_server
from tests.shared.conftest import s3_storage_at
from tests.submitting import submit_job

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def hooks() -> Iterator[Server]:
    with receiver() as server:
        yield server


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(webhook_allow_private=True, webhook_secret=(SECRET,), webhook_retry_span_s=4.0)


@pytest.fixture
def deliveries(client: redis.Redis, settings: Settings) -> DeliveryQueue:
    return DeliveryQueue(client, settings)


@pytest.fixture
def submit(store: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    """Accept a job whose caller wants to be told there."""

    def submit(url: str, *events: str) -> Job:
        webhook = Webhook(url, events) if events else Webhook(url)
        return submit_job(store, request_for(), "tiny", account="local", source="tasks", webhook=webhook.as_json())

    return submit


@pytest.fixture
def complete(store: JobStore) -> Callable[[], Job]:
    """Play the worker: claim the next job, and complete it."""

    def complete() -> Job:
        job = store.claim("tiny", "w1")
        assert job is not None
        made_by = Fingerprint("digest", "engine-1", "fp32", "cpu")
        store.complete(job, Result(f"results/{job.id}/1.wav", "audio/wav", 9, "abc", 2.0, 32000, 1, 0.7, made_by))
        return store.reader.get(job.id)

    return complete


# the cleaner


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty one."""
    if request.param == "local":
        return LocalStorage(tmp_path / "audio", retry_s=0.0)
    server: S3Server = request.getfixturevalue("s3")
    client = server.client()
    for found in client.list_objects_v2(Bucket=server.bucket).get("Contents", []):
        client.delete_object(Bucket=server.bucket, Key=found["Key"])
    return s3_storage_at(server)


class Clock:
    """The cleaner's clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cleaner(client: redis.Redis, settings: Settings, storage: Storage, clock: Clock) -> Cleaner:
    return make_cleaner(client, settings, storage, clock)


def make_cleaner(
    client: redis.Redis, settings: Settings, storage: Storage, clock: Clock, root: str = ROOT_KEY
) -> Cleaner:
    leader_lock = LeaderLock(client, RedisKeys(root).cleaner_lock(), ttl_s=60)
    references = BlobReferences(client, root)
    outside = OutsideBlobs(client, references, storage)
    return Cleaner(references, storage, outside, leader_lock, Counters(client), settings, clock)


@contextmanager
def dispatching(settings: Settings) -> Iterator[None]:
    """A dispatcher at work, as the housekeeping process runs it."""
    dispatcher, _ = make_parts(settings)
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop()


def eventually(check: Callable[[], Any], within_s: float = 5.0) -> Any:
    """What `check` returns as soon as that is something."""
    give_up_at = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.01)
    return found


def settled(deliveries: DeliveryQueue, job: Job, within_s: float = 5.0) -> Delivery:
    """The job's one delivery, when it is done with."""
    return eventually(  # type: ignore[no-any-return]
        lambda: next((one for one in deliveries.of(job.id) if one.state is not State.PENDING), None), within_s
    )
