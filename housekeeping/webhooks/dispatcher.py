"""Send webhooks: claim the deliveries that are due, try each on a thread of its own, and settle it.

Any number of dispatchers may run. One that dies leaves its claims to the others when their lease ends, so a delivery
may be sent twice, with the same id, and never not at all.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from housekeeping.webhooks.delivery_attempt import DeliveryAttempt
from shared.broker.counters import Counters
from shared.errors import BrokerUnavailable, OstinatoError
from shared.retry import Backoff, retry_until
from shared.webhooks.delivery_queue import MARGIN_S, Claim, Delivery, DeliveryQueue

log = logging.getLogger(__name__)

THREADS = 64
POLL_EVERY_S = 0.2
BROKER_RETRY_S = 1.0
SETTLE_RETRY_S = 0.2


class Dispatcher:
    """Send what is due from `start()` to `stop()`; a stop waits for what is being sent just now."""

    def __init__(self, deliveries: DeliveryQueue, delivery_attempt: DeliveryAttempt, counters: Counters) -> None:
        self._deliveries = deliveries
        self._delivery_attempt = delivery_attempt
        self._counters = counters
        self._busy = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="delivery")
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _loop(self) -> None:
        while not self._stopping:
            wait_s = POLL_EVERY_S
            try:
                if self._claim_due():
                    continue
            except BrokerUnavailable as error:
                log.warning("deliveries wait: %s", error)
                wait_s = BROKER_RETRY_S
            except Exception:
                log.exception("could not take deliveries; trying again")
                wait_s = BROKER_RETRY_S
            self._wake.wait(wait_s)
            self._wake.clear()

    def _claim_due(self) -> bool:
        """Claim no more than there are threads for, and return whether any was due.

        A claim that waits here would lose its lease.
        """
        free = THREADS - self._busy
        claims = self._deliveries.claim(free) if free > 0 else []
        with self._lock:
            self._busy += len(claims)
        for claim in claims:
            self._pool.submit(self._serve, claim)
        return bool(claims)

    def _serve(self, claim: Claim) -> None:
        try:
            self._settle(claim, self._delivery_attempt.attempt(claim.delivery, claim.at))
        except OstinatoError as error:
            log.warning("delivery %s is tried again after its lease: %s", claim.delivery.webhook_id, error)
        except Exception:
            log.exception("delivery %s is tried again after its lease", claim.delivery.webhook_id)
        finally:
            with self._lock:
                self._busy -= 1
            self._wake.set()

    def _settle(self, claim: Claim, delivery: Delivery) -> None:
        """Settle the claim, trying for as long as the lease surely lasts: what is not settled is sent again."""
        owned = retry_until(
            time.monotonic() + MARGIN_S,
            lambda: self._deliveries.settle(claim, delivery),
            errors=BrokerUnavailable,
            backoff=Backoff(SETTLE_RETRY_S),
        )
        latest, state = delivery.tries[-1], delivery.state
        log.info("%s %s, try %d: %s", delivery.webhook_id, state, delivery.tried, latest.status or latest.error)
        if owned:
            self._counters.add({("webhooks", "retried" if delivery.next_at else state.value): 1})
