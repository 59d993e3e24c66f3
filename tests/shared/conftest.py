"""Both kinds of storage, real ones."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from shared.storage import LocalStorage, S3Storage, Storage
from tests.servers import S3Server

PART_BYTES = 5 * 1024 * 1024


@pytest.fixture
def local_storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "audio", retry_s=0.0)


@pytest.fixture
def s3_storage(s3: S3Server) -> S3Storage:
    return s3_storage_at(s3)


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    found: Storage = request.getfixturevalue(f"{request.param}_storage")
    return found


@pytest.fixture
def folder() -> str:
    """A prefix of this test's own: the bucket is shared."""
    return f"tests/{uuid.uuid4().hex}"


def s3_storage_at(s3: S3Server, *, retry_s: float = 0.0, secret_key: str | None = None, bucket: str = "") -> S3Storage:
    return S3Storage(
        bucket or s3.bucket,
        endpoint_url=s3.endpoint_url,
        access_key=s3.access_key,
        secret_key=secret_key or s3.secret_key,
        retry_s=retry_s,
        part_bytes=PART_BYTES,
    )


def opening_code(storage: Storage) -> str:
    """Python that opens the same store in another process."""
    if isinstance(storage, LocalStorage):
        call = f"LocalStorage(Path({str(storage.root)!r}))"
    elif isinstance(storage, S3Storage):
        keys = f"access_key={storage._access_key!r}, secret_key={storage._secret_key!r}"
        call = f"S3Storage({storage.bucket!r}, endpoint_url={storage.endpoint_url!r}, part_bytes=5 * 2**20, {keys})"
    return f"from pathlib import Path\nfrom shared.storage import LocalStorage, S3Storage\nstorage = {call}"
