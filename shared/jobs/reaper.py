"""End what is out of time, requeue jobs with an expired lease, replace lost tickets. One process at a time reaps.

A process that loses the lead stops; every step is a script or idempotent, so even two reapers would do no harm.
"""

from __future__ import annotations

import logging
import threading
import time

import redis

from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.leader_lock import LeaderLock
from shared.errors import BrokerUnavailable, PoolExhausted
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets
from shared.settings import Settings

log = logging.getLogger(__name__)


class Reaper:
    """Reap in a daemon thread: `start`, `stop`, and `reap_once` for whoever wants one round now."""

    def __init__(
        self, store: JobStore, tickets: Tickets, client: redis.Redis, settings: Settings, root: str = ROOT_KEY
    ) -> None:
        self._store = store
        self._tickets = tickets
        self._every_s = settings.sweep_every_s
        self._lease_s = settings.lease_s
        self._not_before = 0.0
        # kept for three rounds, so that one slow round does not change the leader
        self._leadership = LeaderLock(client, RedisKeys(root).reaper_lock(), 3 * settings.sweep_every_s)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def reap_once(self) -> None:
        """Raises BrokerUnavailable."""
        swept = self._store.reap()
        if swept.requeued or swept.failed:
            log.warning("out of lease or time: %d jobs run again, %d failed", len(swept.requeued), len(swept.failed))
        self._tickets.top_up(self._store.reader.startable())

    def _loop(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                if time.monotonic() >= self._not_before and self._leadership.leads():
                    self.reap_once()
            except PoolExhausted as error:  # workers have renewed meanwhile: no reason to wait for them
                log.warning("reap put off by a round: %s", error)
            except BrokerUnavailable as error:
                # workers could not renew either: give them a lease's time once the broker is back
                self._not_before = time.monotonic() + self._lease_s
                log.warning("reap put off: %s", error)
            except Exception:
                log.exception("reap failed; the next one follows")
