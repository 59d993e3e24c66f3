"""Inject the planned faults one after the other, in a thread of its own (`FaultInjector`).

A worker's death counts only when it interrupted an attempt: the record said before and after the SIGKILL that this
worker runs this attempt. Of the client it knows only which jobs are under way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chaos.environment import Environment
from chaos.plan import Fault, Kind
from shared.errors import BrokerUnavailable, NotFound
from shared.jobs.job import Status

log = logging.getLogger(__name__)

TICK_S = 0.1
NO_VICTIM_S = 60.0  # for so long it waits for a worker that runs something


@dataclass(frozen=True)
class Interruption:
    """Record one attempt that was interrupted."""

    task_id: str
    attempt: int
    worker: str
    at: float  # UNIX seconds


@dataclass
class Damage:
    """Record the faults that were injected."""

    kills: int = 0  # that interrupted a running attempt
    idle_kills: int = 0
    broker_kills: int = 0
    storage_stops: int = 0
    killed_at: list[float] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)

    @property
    def mean_gap_s(self) -> float:
        times = self.killed_at
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0


class FaultInjector:
    """Inject the faults of a plan. `position` says how far it is, in faults; it ends by itself, or after `stop`."""

    def __init__(
        self, environment: Environment, faults: Sequence[Fault], under_way: Callable[[], Iterable[str]]
    ) -> None:
        self.damage = Damage()
        self.starved = False  # waits for a worker that runs something
        self.error: BaseException | None = None
        self._environment = environment
        self._faults = faults
        self._under_way = under_way
        self._position = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)

    @property
    def position(self) -> float:
        return self._position

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            last_kill = time.monotonic()
            for number, fault in enumerate(self._faults):
                self._await(number, last_kill, fault.gap_boots)
                if self._stop.is_set():
                    return
                self._position = number + 1.0
                self._inject(fault)
                if fault.kind is Kind.WORKER:
                    last_kill = time.monotonic()
        except BaseException as error:
            self.error = error
            log.exception("the fault injector failed")

    def _await(self, number: int, since: float, gap_boots: float) -> None:
        began = time.monotonic()
        while not self._stop.wait(TICK_S):
            worker_pool = self._environment.worker_pool
            worker_pool.poll(self._environment.registry)
            ends = since + gap_boots * worker_pool.boot_now_s
            now = time.monotonic()
            if now >= ends:
                return
            self._position = number + (now - began) / (ends - began)

    def _inject(self, fault: Fault) -> None:
        if fault.kind is Kind.WORKER:
            self._kill_a_worker(fault.choice)
        elif fault.kind is Kind.BROKER:
            log.info("broker killed for %.1f s", fault.outage_s)
            self._environment.broker.kill()
            self._stop.wait(fault.outage_s)
            self._environment.broker.start()
            self.damage.broker_kills += 1
        else:
            log.info("storage stopped for %.1f s", fault.outage_s)
            self._environment.storage.stop()
            self._stop.wait(fault.outage_s)
            self._environment.storage.start()
            self.damage.storage_stops += 1

    def _kill_a_worker(self, choice: float) -> None:
        """Kill workers until one is hit while it runs an attempt."""
        give_up_at = time.monotonic() + NO_VICTIM_S
        while time.monotonic() < give_up_at and not self._stop.is_set():
            running = self._running()
            victims = sorted(running.keys() & self._environment.worker_pool.names())
            if not victims:
                self.starved = True
                time.sleep(TICK_S)
                continue
            victim = victims[int(choice * len(victims))]
            died_at = self._environment.worker_pool.replace(victim)
            if self._record_death(victim, died_at):
                break
        else:
            log.warning("no worker was running anything for %.0f s", NO_VICTIM_S)
        self.starved = False

    def _record_death(self, victim: str, died_at: float) -> bool:
        """Record a worker's death. The job records are read again after it: what still runs there was interrupted."""
        cut = [Interruption(task, attempt, victim, died_at) for task, attempt in self._running().get(victim, [])]
        self.damage.interruptions += cut
        self.damage.killed_at.append(died_at)
        if cut:
            self.damage.kills += 1
            log.info("%s killed, it ran %d", victim, len(cut))
        else:
            self.damage.idle_kills += 1
        return bool(cut)

    def _running(self) -> dict[str, list[tuple[str, int]]]:
        """Map each worker to the attempts that it runs, by the job records."""
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        try:
            for task_id in self._under_way():
                job = self._environment.store.reader.get(task_id)
                if job.status is Status.RUNNING and job.worker is not None:
                    found[job.worker].append((task_id, job.attempt))
        except (BrokerUnavailable, NotFound):
            return {}
        return found
