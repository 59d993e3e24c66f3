"""Find which blobs of the store the job records refer to, and whose store it is. Deletes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys

SCAN_KEYS = 1000  # looked at in one step, so that others' commands come between


class BlobReferences:
    """Read what records refer to. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._keys = RedisKeys(root)
        self._refs = self._keys.blob_refs("")
        self._installation = self._keys.installation()

    def installation(self) -> str:
        """Return the name of all that works with this Redis, drawn once: a store's mark holds it."""
        with translated():
            self._redis.set(self._installation, uuid.uuid4().hex, nx=True)
            return str(self._redis.get(self._installation))

    def references(self) -> Iterator[str]:
        """Return the keys of all blobs that records refer to, perhaps some twice."""
        with translated():
            for key in self._redis.scan_iter(match=f"{self._refs}*", count=SCAN_KEYS):
                yield key.removeprefix(self._refs)

    def referred(self, blobs: Sequence[str]) -> set[str]:
        """Return those of the blobs that a job still needs."""
        with translated():
            seconds, micros = self._redis.time()
            pipe = self._redis.pipeline(transaction=False)
            for blob in blobs:
                pipe.zcount(self._keys.blob_refs(blob), f"({seconds * 1000 + micros // 1000}", "+inf")
            return {blob for blob, count in zip(blobs, pipe.execute(), strict=True) if count}
