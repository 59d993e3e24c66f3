"""Announce this worker's record to the registry from its first ticket on, and withdraw it at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from shared.errors import OstinatoError
from shared.jobs.store import JobStore
from shared.workers.registry import WorkerRecord, WorkerRegistry

log = logging.getLogger(__name__)


class Announcer:
    """Renew one worker's record: `start()`, then `fail()` or `leave()`.

    What does not reach the broker now is written at the next renewal.
    """

    def __init__(self, registry: WorkerRegistry, store: JobStore, worker: str, every_s: float) -> None:
        self._registry = registry
        self._store = store
        self._worker = worker
        self._every_s = every_s
        self._read: Callable[[], WorkerRecord] | None = None
        self._fresh = True
        self._ended = threading.Event()
        self._left = False

    def start(self, read: Callable[[], WorkerRecord]) -> None:
        """Announce what `read` returns now, and again until the end. Ends an earlier process's drain."""
        self._read = read
        self._announce(read)
        threading.Thread(target=self._keep_announcing, args=(read,), name="presence", daemon=True).start()

    def fail(self, fault: str) -> None:
        """Announce for the last time, with the fault that stops this worker from claiming."""
        self._ended.set()
        read = self._read
        if read is not None:
            self._try(lambda: self._registry.announce(replace(read(), fault=fault)))

    def leave(self) -> None:
        """Withdraw the record. Where that does not reach the broker, the record expires by itself."""
        self._ended.set()
        self._left = True
        self._try(lambda: self._registry.leave(self._worker))

    def _keep_announcing(self, read: Callable[[], WorkerRecord]) -> None:
        while not self._ended.wait(self._every_s):
            self._announce(read)

    def _announce(self, read: Callable[[], WorkerRecord]) -> None:
        def announce() -> None:
            if self._fresh:
                self._store.undrain(self._worker)
                self._fresh = False
            self._registry.announce(replace(read(), drained=self._store.reader.is_drained(self._worker)))
            if self._left:  # meanwhile
                self._registry.leave(self._worker)

        self._try(announce)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OstinatoError as error:
            log.warning("the record of worker %s is as it was: %s", self._worker, error)
