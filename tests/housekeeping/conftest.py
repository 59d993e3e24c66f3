"""Give tests both kinds of store, empty, and a cleaner with a clock of its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from housekeeping.cleaner import Cleaner
from housekeeping.outside_blobs import OutsideBlobs
from shared.broker.counters import Counters
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.leader_lock import LeaderLock
from shared.jobs.blob_references import BlobReferences
from shared.settings import Settings
from shared.storage import LocalStorage, Storage
from tests.servers import S3Server
from tests.shared.conftest import s3_storage_at


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Return an empty one."""
    if request.param == "local":
        return LocalStorage(tmp_path / "audio", retry_s=0.0)
    server: S3Server = request.getfixturevalue("s3")
    client = server.client()
    for found in client.list_objects_v2(Bucket=server.bucket).get("Contents", []):
        client.delete_object(Bucket=server.bucket, Key=found["Key"])
    return s3_storage_at(server)


class Clock:
    """Be the cleaner's clock, which a test may put forward."""

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
