"""Delete the blobs that are older than their lifetime and that no job's record refers to any more.

Searches only our own marked folder of the store, and there only names that we give (shared/storage/names.py); and not
even there while another installation has signed the mark as well: what no record of ours knows may be in one of theirs.
Owns which of them have which lifetime. What a record refers to, the job store says. One cleaner at a time works; two at
once would only do the same thing twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from housekeeping.outside_blobs import OutsideBlobs
from shared.broker.counters import Counters
from shared.broker.leader_lock import LeaderLock
from shared.errors import OstinatoError
from shared.jobs.blob_references import BlobReferences
from shared.settings import Settings
from shared.storage import BlobStat, Storage
from shared.storage.names import RESULTS, UPLOADS

log = logging.getLogger(__name__)

BATCH = 500
GRACE_S = 3600.0  # a blob may be written before the record that refers to it
FIRST_AFTER_S = 5.0


@dataclass(frozen=True)
class Cleaned:
    """Count the blobs that one round saw, and those that it deleted."""

    seen: int = 0
    deleted: int = 0
    bytes: int = 0


class Cleaner:
    """Clean in a daemon thread: `start`, `stop`, and `clean_once` for whoever wants one round now."""

    def __init__(
        self,
        references: BlobReferences,
        storage: Storage,
        outside: OutsideBlobs,
        leader_lock: LeaderLock,
        counters: Counters,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._references = references
        self._storage = storage
        self._outside = outside
        self._leader_lock = leader_lock
        self._counters = counters
        self._clock = clock
        self._every_s = settings.clean_every_s
        self._lifetimes_s = {
            RESULTS: max(settings.result_ttl_s, GRACE_S),
            UPLOADS: max(settings.upload_ttl_s, GRACE_S),
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="cleaner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def clean_once(self) -> Cleaned:
        """Clean one round, if this process leads.

        Raises BrokerUnavailable, StorageUnavailable, ConfigurationError.
        """
        total = Cleaned()
        if not self._leader_lock.leads():
            return total
        signed_by = self._signed_by()
        if signed_by == (self._references.installation(),):
            for folder, lifetime_s in self._lifetimes_s.items():
                for batch in _batches(self._own_blobs(folder)):
                    if self._stop.is_set() or not self._leader_lock.leads():
                        return total
                    gone = self._delete(batch, self._clock() - lifetime_s)
                    size = sum(blob.bytes for blob in gone)
                    total = Cleaned(total.seen + len(batch), total.deleted + len(gone), total.bytes + size)
        if signed_by:
            self._storage.tidy()
        outside = self._outside.delete_forgotten(also_inside=len(signed_by) > 1)
        self._count(outside, 0)
        return replace(total, deleted=total.deleted + outside)

    def _signed_by(self) -> tuple[str, ...]:
        """Return the installations that clean in our folder, this one among them from now on; none without a mark."""
        storage, ours = self._storage, self._references.installation()
        signed_by = storage.installations()
        if signed_by is None:
            log.info("nothing is searched for in %s, which has no mark of ours yet", storage.own_location)
            return ()
        if ours not in signed_by:
            storage.sign(*signed_by, ours)
            signed_by = storage.installations() or ()
        if len(signed_by) > 1:
            log.warning(
                "%s is also another Ostinato's, with another Redis: only what this Redis knew of is deleted there. "
                'Give each an S3_PREFIX of its own; if the other is no more: make operate ARGS="adopt"',
                storage.own_location,
            )
        return signed_by

    def _own_blobs(self, folder: str) -> Iterator[BlobStat]:
        names = self._storage.names
        return (blob for blob in self._storage.blobs(f"{names.prefix}/{folder}") if names.own(blob.key))

    def _delete(self, batch: list[BlobStat], before: float) -> list[BlobStat]:
        old = [blob for blob in batch if blob.modified_at < before]
        referred = self._references.referred([blob.key for blob in old]) if old else set()
        gone = [blob for blob in old if blob.key not in referred]
        for blob in gone:
            self._storage.delete(blob.key)
        self._count(len(gone), sum(blob.bytes for blob in gone))
        return gone

    def _count(self, blobs: int, size: int) -> None:
        if blobs:
            self._counters.add({("cleaned", "blobs"): blobs, ("cleaned", "bytes"): size})

    def _loop(self) -> None:
        wait_s = FIRST_AFTER_S
        while not self._stop.wait(wait_s):
            wait_s = self._every_s
            try:
                if self._leader_lock.leads():
                    cleaned = self.clean_once()
                    log.info("cleaned: %d of %d blobs, %d bytes", cleaned.deleted, cleaned.seen, cleaned.bytes)
            except OstinatoError as error:
                log.warning("cleaning goes on in %.0f s: %s", wait_s, error)
            except Exception:
                log.exception("cleaning goes on in %.0f s", wait_s)


def _batches(blobs: Iterable[BlobStat]) -> Iterator[list[BlobStat]]:
    rest = iter(blobs)
    while batch := list(islice(rest, BATCH)):
        yield batch
