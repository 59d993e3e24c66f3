"""Put uploads into the store, and take out results to be served and what was purged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from shared.errors import BlobMissing, ConfigurationError, NotFound, StorageUnavailable
from shared.jobs.job import Result
from shared.storage import BlobReader, ByteRange, Storage
from shared.storage.names import is_written_name

UPLOAD_TYPE = "audio/flac"
UPLOAD_RETRY_S = 2.0  # somebody waits for the answer


class Blobs:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def keep_uploads(self, uploads: Mapping[str, bytes]) -> None:
        """Store uploads under their keys, before their job is accepted. Raises StorageUnavailable."""
        for key, flac in uploads.items():
            self._storage.put(key, flac, UPLOAD_TYPE, retry_s=UPLOAD_RETRY_S)

    def has(self, key: str) -> bool:
        try:
            return self._storage.exists(key)
        except StorageUnavailable:
            return True  # for all we know

    def is_complete(self, result: Result) -> bool:
        """Return whether a finished job's audio is there, all of it."""
        try:
            self._storage.expect(result.key, result.bytes)
        except BlobMissing:
            return False
        except StorageUnavailable:
            pass  # for all we know
        return True

    def open_result(self, result: Result, range: ByteRange | None = None) -> BlobReader:
        """Open a finished job's audio. Raises NotFound when it is gone, or is not all that was made."""
        with _gone():
            return self._storage.open(result.key, range, size=result.bytes)

    def expect_result(self, result: Result) -> None:
        """Raises NotFound as `open_result`, without reading."""
        with _gone():
            self._storage.expect(result.key, result.bytes)

    def clip(self, result: Result) -> KeptClip:
        """Return a finished job's audio as something to serve."""
        return KeptClip(self, result)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete what a record named. What cannot be deleted now is the cleaner's."""
        with suppress(ConfigurationError, StorageUnavailable):
            for key in filter(is_written_name, keys):
                self._storage.delete(key)


@dataclass(frozen=True)
class KeptClip:
    """Hold a finished job's audio where it is kept."""

    blobs: Blobs
    result: Result

    @property
    def media_type(self) -> str:
        return self.result.media_type

    @property
    def bytes(self) -> int:
        return self.result.bytes

    @property
    def sha256(self) -> str:
        return self.result.sha256

    def open(self, range: ByteRange | None = None) -> BlobReader:
        """Raises NotFound when it is gone, or is not all that was made."""
        return self.blobs.open_result(self.result, range)

    def expect(self) -> None:
        """Raises NotFound as `open`, without reading."""
        self.blobs.expect_result(self.result)


@contextmanager
def _gone() -> Iterator[None]:
    """Turn audio that is gone or damaged into NotFound, as callers over HTTP are to see it."""
    try:
        yield
    except BlobMissing as error:
        raise NotFound(error.message, inner=str(error)) from error
