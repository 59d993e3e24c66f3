"""Count the waits for a connection to the broker, of all processes together, for /metrics.

They are added up in the process and written a moment later, by a thread that lives only while there is something to
write: a wait must not cost the round trip that it waited for.
"""

from __future__ import annotations

import logging
import threading
import time

import redis

from shared.broker.counters import Counters
from shared.broker.pool import Wait, pool_of
from shared.errors import BrokerUnavailable

log = logging.getLogger(__name__)

WRITE_AFTER_S = 0.5


class PoolWaits:
    """Add up one pool's waits under its name: `pool_waits`, `pool_wait_ms` and `pool_exhausted` of the counters."""

    def __init__(self, name: str, counters: Counters) -> None:
        self._name = name
        self._counters = counters
        self._lock = threading.Lock()
        self._amounts: dict[str, int] = {}
        self._writing = False

    def add(self, wait: Wait) -> None:
        with self._lock:
            self._add({"pool_waits": 1, "pool_wait_ms": round(wait.seconds * 1000), "pool_exhausted": wait.exhausted})
            if self._writing:
                return
            self._writing = True
        try:
            threading.Thread(target=self._write, name="pool-waits", daemon=True).start()
        except RuntimeError:  # no room for a thread, or the process is ending: the next wait tries again
            self._writing = False

    def _write(self) -> None:
        while True:
            time.sleep(WRITE_AFTER_S)
            with self._lock:
                amounts, self._amounts = self._amounts, {}
                self._writing = bool(amounts)
            if not amounts:
                return
            try:
                self._counters.add({(name, self._name): amount for name, amount in amounts.items()})
            except BrokerUnavailable as error:
                log.warning("waits for a connection are counted later: %s", error)
                with self._lock:
                    self._add(amounts)

    def _add(self, amounts: dict[str, int]) -> None:
        for name, amount in amounts.items():
            self._amounts[name] = self._amounts.get(name, 0) + amount


def count_waits(client: redis.Redis) -> None:
    """Count the waits of this client's pool from now on."""
    pool = pool_of(client)
    pool.on_wait = PoolWaits(pool.name, Counters(client)).add
