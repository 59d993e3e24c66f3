"""Blobs: what the API itself puts into the store and takes out: melodies, and what was purged. Knows no jobs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from api.intake import Submission
from shared.errors import StorageUnavailable
from shared.storage import Storage

MELODY_TYPE = "audio/flac"
MELODY_RETRY_S = 2.0  # somebody waits for the answer


class Blobs:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def keep_melody(self, submission: Submission) -> None:
        """Before its job is accepted. Raises StorageUnavailable."""
        if submission.upload is not None and submission.request.melody is not None:
            key = submission.request.melody.key
            self._storage.put(key, submission.upload, MELODY_TYPE, retry_s=MELODY_RETRY_S)

    def forget_melody(self, submission: Submission) -> None:
        """Its job was refused."""
        if submission.request.melody is not None:
            self.delete([submission.request.melody.key])

    def has(self, key: str) -> bool:
        try:
            return self._storage.exists(key)
        except StorageUnavailable:
            return True  # for all we know

    def delete(self, keys: Iterable[str]) -> None:
        """What cannot be deleted now is the cleaner's."""
        with suppress(StorageUnavailable):
            for key in keys:
                self._storage.delete(key)
