"""What a blob is: its content, its size, and the interface that every backend keeps.

Owns the reading of sources and the retry of a whole write. Knows no disk layout and no protocol.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import random
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from shared.errors import BlobMissing, FieldError, InvalidRequest, StorageUnavailable
from shared.storage.keys import check_key

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 5.0

Source = bytes | Path | BinaryIO
ByteRange = tuple[int, int | None]


@dataclass(frozen=True)
class StoredBlob:
    """What `put` wrote."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BlobStat:
    """What lies under a key now. `modified_at` is in seconds since 1970."""

    key: str
    bytes: int
    media_type: str
    modified_at: float
    etag: str


class BlobReader:
    """An open blob: iterate it, or `read()` it, once. `size` is the whole blob's, `length` what this reader gives."""

    def __init__(
        self, stat: BlobStat, start: int, length: int, chunks: Iterator[bytes], close: Callable[[], None]
    ) -> None:
        self.stat = stat
        self.size = stat.bytes
        self.media_type = stat.media_type
        self.start = start
        self.length = length
        self._chunks = chunks
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def read(self) -> bytes:
        return b"".join(self._chunks)

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Content:
    """What `put` is given, made repeatable: `open()` starts again from its first byte each time."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        self.open = opener
        digest, self.bytes = hashlib.sha256(), 0
        with self.open() as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                self.bytes += len(chunk)
        self.sha256 = digest.hexdigest()


class Storage(ABC):
    """The interface. Keys are `/`-separated names such as `results/<task>/1.wav`; a bad one raises InvalidRequest.

    A missing blob raises BlobMissing; a backend that does not answer, or has no room, StorageUnavailable.
    """

    retry_s: float

    def put(
        self,
        key: str,
        source: Source,
        media_type: str,
        *,
        download_name: str | None = None,
        retry_s: float | None = None,
    ) -> StoredBlob:
        """Write all of the source under the key, or nothing. Replaces what was there in one step.

        While the backend is away, the whole write is tried again for `retry_s` seconds (None: STORAGE_RETRY_S).
        A caller that somebody waits for gives a short one.
        """
        check_key(key)
        with _repeatable(source) as content:
            _insist(
                lambda: self._write(key, content, media_type, download_name),
                self.retry_s if retry_s is None else retry_s,
                f"write {key}",
            )
            return StoredBlob(key, content.bytes, content.sha256)

    def read(self, key: str, *, retry_s: float = 0.0) -> bytes:
        """All of a blob. A backend that is away is asked again for `retry_s` seconds."""
        return _insist(lambda: self._read(key), retry_s, f"read {key}")

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except BlobMissing:
            return False
        return True

    @abstractmethod
    def open(self, key: str, range: ByteRange | None = None) -> BlobReader:
        """A reader of the blob as it is now: what is written under the key meanwhile never mixes in.

        `range` is (first, last) in bytes, both included as in HTTP; last None is through the end, and a last past
        the end is cut. A first past the end raises InvalidRequest with the code RANGE_NOT_SATISFIABLE.
        """

    @abstractmethod
    def stat(self, key: str) -> BlobStat: ...

    @abstractmethod
    def delete(self, key: str) -> None:
        """The blob is gone afterwards, whether or not it was there."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> None:
        """Delete what lies in this folder: `jobs/1` takes `jobs/1/a.wav`, and leaves `jobs/1` and `jobs/10/a.wav`."""

    @abstractmethod
    def blobs(self, prefix: str) -> Iterator[BlobStat]:
        """What lies in this folder and below, a page at a time, in no order. `results` lists `results/1/a.wav`.

        Names that are no keys of ours are left out.
        """

    @abstractmethod
    def tidy(self) -> None:
        """Remove what no name leads to: files of writers that died, folders left empty."""

    @abstractmethod
    def link(self, key: str, *, ttl_s: int | None = None, download_name: str | None = None) -> str | None:
        """A URL that gives the blob to anybody until it expires; None where the API must serve it itself."""

    @abstractmethod
    def check(self) -> None:
        """Readiness. Raises StorageUnavailable, or ConfigurationError when no retry can help."""

    @abstractmethod
    def _write(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        """One try to write it all."""

    def _read(self, key: str) -> bytes:
        with self.open(key) as reader:
            return reader.read()


def bad_range(key: str, range: ByteRange, size: int) -> InvalidRequest:
    first, last = range
    shown = f"{first}-{'' if last is None else last}"
    message = f"bytes {shown} do not lie in {key}, which has {size}; ask for a first byte below that"
    return InvalidRequest([FieldError("range", message, shown, "RANGE_NOT_SATISFIABLE")])


def cut(key: str, range: ByteRange | None, size: int) -> tuple[int, int]:
    """(start, length) of a range in a blob of this size. Raises InvalidRequest when nothing of it lies inside."""
    if range is None:
        return 0, size
    first, last = range
    if not 0 <= first < size or (last is not None and last < first):
        raise bad_range(key, range, size)
    end = size if last is None else min(last + 1, size)
    return first, end - first


def missing(key: str) -> BlobMissing:
    return BlobMissing(f"there is no blob {key!r} in the store; it was deleted, has expired, or was never written")


@contextmanager
def _repeatable(source: Source) -> Iterator[Content]:
    """A stream can be read only once, and an upload may have to start again: keep a copy on disk meanwhile."""
    if isinstance(source, bytes):
        yield Content(lambda: io.BytesIO(source))
    elif isinstance(source, Path):
        yield Content(lambda: source.open("rb"))
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(source, copy, CHUNK_BYTES)
            copy.flush()
            yield Content(lambda: _from_start(copy.fileno()))


def _from_start(descriptor: int) -> BinaryIO:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.fdopen(descriptor, "rb", closefd=False)


def _insist(action: Callable[[], T], retry_s: float, what: str) -> T:
    give_up_at, wait_s = time.monotonic() + retry_s, FIRST_WAIT_S
    while True:
        try:
            return action()
        except StorageUnavailable as error:
            left_s = give_up_at - time.monotonic()
            if left_s <= 0:
                raise
            log.warning("could not %s, trying for another %.0f s: %s", what, left_s, error)
        time.sleep(min(left_s, wait_s * random.uniform(0.8, 1.2)))  # many writers must not come back in step
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
