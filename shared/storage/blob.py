"""Define a blob: its size, its bytes as they are read, and the error for one that is missing or damaged.

Knows no disk layout and no protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from shared.errors import BlobMissing, FieldError, InvalidRequest

CHUNK_BYTES = 256 * 1024

ByteRange = tuple[int, int | None]


@dataclass(frozen=True)
class StoredBlob:
    """Hold what `put` wrote."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BlobStat:
    """Hold what lies under a key now. `modified_at` is in seconds since 1970."""

    key: str
    bytes: int
    media_type: str
    modified_at: float
    etag: str


class BlobReader:
    """Read an open blob: iterate it, or `read()` it, once. `size` is the blob's, `length` what this reader gives.

    Reading raises BlobMissing when there are fewer bytes than `length` after all.
    """

    def __init__(
        self, stat: BlobStat, start: int, length: int, chunks: Iterator[bytes], close: Callable[[], None]
    ) -> None:
        self.stat = stat
        self.size = stat.bytes
        self.media_type = stat.media_type
        self.start = start
        self.length = length
        self._chunks = self._all_of(chunks)
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def read(self) -> bytes:
        return b"".join(self._chunks)

    def _all_of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self.length
        for chunk in chunks:
            left -= len(chunk)
            yield chunk
        if left:
            raise damaged(self.stat.key, self.length - left, self.length)

    def __enter__(self) -> BlobReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def bad_range(range: ByteRange, size: int) -> InvalidRequest:
    first, last = range
    shown = f"{first}-{'' if last is None else last}"
    message = f"bytes {shown} do not lie in it: it has {size}; ask for a first byte below that"
    return InvalidRequest([FieldError("range", message, shown, "RANGE_NOT_SATISFIABLE")])


def cut(range: ByteRange | None, size: int) -> tuple[int, int]:
    """Return (start, length) of a range in a blob of this size.

    Raises InvalidRequest when nothing of it lies inside.
    """
    if range is None:
        return 0, size
    first, last = range
    if not 0 <= first < size or (last is not None and last < first):
        raise bad_range(range, size)
    end = size if last is None else min(last + 1, size)
    return first, end - first


def missing(key: str) -> BlobMissing:
    return BlobMissing(
        "the audio is no longer stored: it was deleted, or its time is over; submit it again with the same seed",
        inner=f"there is no blob {key!r} in the store; it was deleted, has expired, or was never written",
    )


def damaged(key: str, found: int, size: int | None) -> BlobMissing:
    return BlobMissing(
        f"the audio is damaged in the store ({found} bytes instead of {size}); submit it again with the same seed",
        inner=f"the blob {key!r} has {found} bytes, and should have {size}: something else has written or cut it",
    )


def altered(key: str) -> BlobMissing:
    return BlobMissing(
        "the audio is damaged in the store (other bytes than were stored); submit it again with the same seed",
        inner=f"the blob {key!r} does not have the digest in its record: something else has written or cut it",
    )
