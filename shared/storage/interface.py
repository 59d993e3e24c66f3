"""Define the interface that every backend keeps, and the checks that all of them share.

Our folder is marked before anything is written there, no name but ours is deleted, and no part of a blob is given for
the whole. Owns the retry of a whole write. Knows no disk layout and no protocol.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TypeVar

from shared.errors import BlobMissing, ConfigurationError, InvalidRequest, StorageUnavailable
from shared.retry import Backoff, retry_until
from shared.storage.blob import BlobReader, BlobStat, ByteRange, StoredBlob, altered, damaged
from shared.storage.content import Content, Source, repeatable
from shared.storage.keys import bad_key, check_key
from shared.storage.marker import MARKER, is_marker, signatures, signed
from shared.storage.names import OwnNames, is_written_name

log = logging.getLogger(__name__)
T = TypeVar("T")

# jittered: many writers must not come back in step
BACKOFF = Backoff(first_s=0.25, most_s=5.0, factor=2.0, jitter=0.2)
AWAY = "the store of audio does not answer, or cannot be written; try again shortly"
FULL = "the store of audio has no room left; try again later, or tell its operator"
MISCONFIGURED = "the store of audio is not set up rightly; its operator finds the cause in the log"


class Storage(ABC):
    """Store blobs. Keys are `/`-separated names (shared/storage/names.py); a bad one raises InvalidRequest.

    A missing blob raises BlobMissing; a backend that does not answer, or has no room, StorageUnavailable; one that is
    not set up rightly, ConfigurationError. `names` are the keys of our own folder.
    """

    retry_s: float
    names: OwnNames

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

        The first write marks our folder as ours. While the backend is away, the whole write is tried again for
        `retry_s` seconds (None: STORAGE_RETRY_S). A caller that somebody waits for gives a short one.
        """
        check_key(key)
        with repeatable(source) as content:
            _retry(
                lambda: self._write_marked(key, content, media_type, download_name),
                self.retry_s if retry_s is None else retry_s,
                f"write {key}",
            )
            return StoredBlob(key, content.bytes, content.sha256)

    def read(self, key: str, *, size: int | None = None, sha256: str | None = None, retry_s: float = 0.0) -> bytes:
        """Return all of a blob, of `size` bytes as in `open`, or with that digest; another one raises BlobMissing.

        A backend that is away is asked again for `retry_s` seconds.
        """
        content = _retry(lambda: self._read(key, size), retry_s, f"read {key}")
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise altered(key)
        return content

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except BlobMissing:
            return False
        return True

    def open(self, key: str, range: ByteRange | None = None, *, size: int | None = None) -> BlobReader:
        """Open a reader of the blob as it is now: what is written under the key meanwhile never mixes in.

        `range` is (first, last) in bytes, both included as in HTTP; last None is through the end, and a last past
        the end is cut. A first past the end raises InvalidRequest with the code RANGE_NOT_SATISFIABLE. `size` is how
        many bytes its record says that it has: one of another size raises BlobMissing, whatever the range.
        """
        check_key(key)
        try:
            reader = self._open(key, range)
        except InvalidRequest:
            self.expect(key, size)
            raise
        if size not in (None, reader.size):
            reader.close()
            raise damaged(key, reader.size, size)
        return reader

    def expect(self, key: str, size: int | None = None) -> None:
        """Raises BlobMissing unless there is such a blob, of that many bytes."""
        found = self.stat(key).bytes
        if size not in (None, found):
            raise damaged(key, found, size)

    def delete(self, key: str) -> None:
        """Remove the blob, if it is there. Raises InvalidRequest for a name that no blob of ours can have."""
        if not is_written_name(check_key(key)):
            raise bad_key(key, "is none that this service gives to a blob; what has it is left alone")
        self._delete(key)

    def claim(self) -> None:
        """Mark our folder as ours, if it is new or empty. Raises ConfigurationError when others' files lie there."""
        if self.is_marked():
            return
        if self._is_used() and not self.is_marked():  # a process beside this one marks it before it writes
            raise ConfigurationError(
                MISCONFIGURED,
                inner=f"{self.own_location} holds files, but no mark of Ostinato ({MARKER}): nothing is written there. "
                f"Set S3_PREFIX to a name that nobody else uses; if it is Ostinato's, put an empty {MARKER} into it",
            )
        self._write_marker()

    def is_marked(self) -> bool:
        """Return whether our folder carries our mark: in another, nothing is searched for and nothing deleted."""
        return self.installations() is not None

    def installations(self) -> tuple[str, ...] | None:
        """Return the installations that have signed the mark, sorted; None without a mark of ours."""
        marker = self._read_marker()
        return signatures(marker) if marker is not None and is_marker(marker) else None

    def sign(self, *installations: str) -> None:
        """Say in the mark that the folder is theirs, and nobody else's."""
        text = signed(*installations)
        self._write(f"{self.names.prefix}/{MARKER}", Content(lambda: io.BytesIO(text)), "text/plain", None)

    @property
    @abstractmethod
    def own_location(self) -> str:
        """Say where our folder is, for the operator."""

    @abstractmethod
    def stat(self, key: str) -> BlobStat: ...

    @abstractmethod
    def blobs(self, prefix: str) -> Iterator[BlobStat]:
        """List what lies in this folder and below, a page at a time, in no order. `results` lists `results/1/a.wav`.

        Names that are no keys of ours are left out.
        """

    @abstractmethod
    def tidy(self) -> None:
        """Remove what no name leads to in our folder: files of writers that died, folders of ours left empty."""

    @abstractmethod
    def link(self, key: str, *, ttl_s: int | None = None, download_name: str | None = None) -> str | None:
        """Return a URL that gives the blob to anybody until it expires; None where the API must serve it itself."""

    @abstractmethod
    def check(self) -> None:
        """Check readiness. Raises StorageUnavailable, or ConfigurationError when no retry can help."""

    @abstractmethod
    def _write(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        """Try once to write it all."""

    @abstractmethod
    def _open(self, key: str, range: ByteRange | None) -> BlobReader: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...

    @abstractmethod
    def _is_used(self) -> bool:
        """Return whether anything lies in our folder."""

    @abstractmethod
    def _write_marker(self) -> None: ...

    @abstractmethod
    def _read_marker(self) -> bytes | None:
        """Return the content of what has our mark's name, or the beginning of it; None where nothing has."""

    def _write_marked(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        self.claim()
        self._write(key, content, media_type, download_name)

    def _read(self, key: str, size: int | None) -> bytes:
        with self.open(key, size=size) as reader:
            return reader.read()


def _retry(action: Callable[[], T], retry_s: float, what: str) -> T:
    """Raises StorageUnavailable after so many seconds."""

    def log_failure(error: Exception | None, left_s: float) -> None:
        log.warning("could not %s, trying for another %.0f s: %s", what, left_s, error)

    deadline = time.monotonic() + retry_s
    return retry_until(deadline, action, errors=StorageUnavailable, backoff=BACKOFF, before_retry=log_failure)
