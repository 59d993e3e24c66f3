"""The sweeper: returns expired leases and replaces lost tickets. Any process may run it; one at a time does.

Leadership is a short lock in Redis. A process that loses it stops sweeping; every step is a script or idempotent,
so even two sweepers at once would do no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import redis

from shared.connection import ROOT_KEY, translated
from shared.errors import BrokerUnavailable
from shared.jobstore import JobStore, new_id
from shared.queue import Tickets
from shared.settings import Settings

log = logging.getLogger(__name__)


class Sweeper:
    """A daemon thread: `start`, `stop`, and `sweep_once` for whoever wants one sweep now."""

    def __init__(
        self, store: JobStore, tickets: Tickets, client: redis.Redis, settings: Settings, root: str = ROOT_KEY
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._redis: Any = client
        self._every_s = settings.sweep_every_s
        self._lease_s = settings.lease_s
        self._not_before = 0.0
        self._lock_key = f"{root}:sweeper"
        self._me = new_id()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def sweep_once(self) -> None:
        """Raises BrokerUnavailable."""
        swept = self._store.sweep()
        if swept.requeued or swept.failed:
            log.warning("leases ran out: %d jobs run again, %d failed", len(swept.requeued), len(swept.failed))
        self._tickets.top_up(self._store.waiting())

    def _leads(self) -> bool:
        """Take or keep the lock for three rounds."""
        ttl_ms = round(self._every_s * 3000)
        with translated():
            if self._redis.set(self._lock_key, self._me, nx=True, px=ttl_ms):
                return True
            if self._redis.get(self._lock_key) != self._me:
                return False
            self._redis.pexpire(self._lock_key, ttl_ms)
            return True

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                if time.monotonic() >= self._not_before and self._leads():
                    self.sweep_once()
            except BrokerUnavailable as error:
                # workers could not renew either: give them a lease's time once the broker is back
                self._not_before = time.monotonic() + self._lease_s
                log.warning("sweep put off: %s", error)
            except Exception:
                log.exception("sweep failed; the next one follows")
