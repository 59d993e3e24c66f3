"""Delete our blobs where nothing is searched for, by the records that name them.

That is an older version's blobs, those written under an earlier S3_PREFIX, and all of them while another installation
shares our folder: such a folder may be somebody else's. What a record names is remembered while the record lives, and
that one key is deleted when it has gone. What no record named any more when this began, stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS
from shared.jobs.blob_references import BlobReferences
from shared.storage import Storage
from shared.storage.names import is_written_name

KEY = REDIS_KEYS.outside_blobs()
BATCH = 500


class OutsideBlobs:
    """Delete blobs by their records. All methods raise BrokerUnavailable while Redis does not respond."""

    def __init__(self, client: redis.Redis, references: BlobReferences, storage: Storage) -> None:
        self._redis = commands_of(client)
        self._references = references
        self._storage = storage

    def delete_forgotten(self, *, also_inside: bool = False) -> int:
        """Delete those whose last record is gone; return how many. `also_inside`: those in our folder of today, too.

        Raises StorageUnavailable, ConfigurationError.
        """
        self._remember(also_inside)
        deleted = 0
        for keys in self._remembered():
            referred = self._references.referred(keys)
            for key in (key for key in keys if key not in referred):
                self._storage.delete(key)
                with translated():
                    self._redis.srem(KEY, key)
                deleted += 1
        return deleted

    def _remember(self, also_inside: bool) -> None:
        names, keys_of_records = self._storage.names, self._references.references()
        found = (key for key in keys_of_records if is_written_name(key) and (also_inside or not names.own(key)))
        while keys := list(islice(found, BATCH)):
            with translated():
                self._redis.sadd(KEY, *keys)

    def _remembered(self) -> Iterator[list[str]]:
        with translated():
            keys = sorted(self._redis.smembers(KEY))
        for start in range(0, len(keys), BATCH):
            yield keys[start : start + BATCH]
