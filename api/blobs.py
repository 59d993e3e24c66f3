"""Blobs: what the API itself puts into the store and takes out: uploads, and what was purged. Knows no jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from shared.errors import StorageUnavailable
from shared.storage import Storage

UPLOAD_TYPE = "audio/flac"
UPLOAD_RETRY_S = 2.0  # somebody waits for the answer


class Blobs:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def keep_uploads(self, uploads: Mapping[str, bytes]) -> None:
        """By their keys, before their job is accepted. Raises StorageUnavailable."""
        for key, flac in uploads.items():
            self._storage.put(key, flac, UPLOAD_TYPE, retry_s=UPLOAD_RETRY_S)

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
