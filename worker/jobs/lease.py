"""Renew one running job's lease while its work advances, and stop the work when the lease is lost (`LeaseKeeper`).

It renews several times a lease. It expires the lease when the work has not advanced for `stuck_after_s` (the job then
goes to another worker), and stops the work when the job was cancelled or claimed by another attempt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shared.errors import BrokerUnavailable, StaleAttempt
from shared.jobs.job import Job, Stage
from shared.jobs.store import JobStore

log = logging.getLogger(__name__)

RENEW_EVERY_S = 0.5  # also how soon a cancel reaches the decode loop


@dataclass(frozen=True)
class Advance:
    """Say how far the work is. `advanced_at` is time.monotonic() of its last step."""

    stage: Stage
    step: int
    steps: int
    advanced_at: float


class LeaseKeeper:
    """Keep the lease within a `with` block. `watch` returns how far the work is; `stop_work` must be thread safe."""

    def __init__(
        self,
        store: JobStore,
        job: Job,
        watch: Callable[[], Advance],
        stop_work: Callable[[], None],
        stuck_after_s: float,
    ) -> None:
        self._store = store
        self._job = job
        self._watch = watch
        self._stop_work = stop_work
        self._stuck_after_s = stuck_after_s
        self._done = threading.Event()
        self._stale: StaleAttempt | None = None
        self.stuck = False
        self._thread = threading.Thread(target=self._loop, name=f"lease-{job.id[:8]}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raise StaleAttempt once the job is no longer this attempt's."""
        if self._stale is not None:
            raise self._stale

    def _loop(self) -> None:
        while not self._done.wait(RENEW_EVERY_S):
            try:
                advance = self._watch()
                if time.monotonic() - advance.advanced_at < self._stuck_after_s:
                    self._store.renew(self._job, advance.stage, advance.step, advance.steps)
                else:
                    self._give_up()
                    return
            except StaleAttempt as error:
                self._stale = error
                self._stop_work()
                return
            except BrokerUnavailable as error:
                log.warning("lease of task %s not renewed: %s", self._job.id, error)
            except Exception:
                log.exception("lease of task %s not renewed", self._job.id)

    def _give_up(self) -> None:
        """Expire the lease of stuck work: the job runs again elsewhere, and this attempt ends."""
        log.critical("task %s has not advanced for %.0f s: given up", self._job.id, self._stuck_after_s)
        self.stuck = True
        self._stale = StaleAttempt(f"task {self._job.id} got stuck", details={"status": "stuck"})
        try:
            self._store.expire_lease(self._job)
        except (StaleAttempt, BrokerUnavailable) as error:
            log.warning("task %s: %s; its lease runs out by itself", self._job.id, error)
        self._stop_work()
