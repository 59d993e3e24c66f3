"""The storm: a thread that breaks one part after the other, as the plan says.

A worker's death counts only when it interrupted an attempt: the record said before and after the SIGKILL that this
worker runs this attempt. Knows nothing of the caller, but which jobs are under way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chaos.environment import Stage
from chaos.plan import Kind, Strike
from shared.errors import BrokerUnavailable, NotFound
from shared.jobs.job import Status

log = logging.getLogger(__name__)

TICK_S = 0.1
NO_VICTIM_S = 60.0  # for so long it waits for a worker that runs something


@dataclass(frozen=True)
class Interruption:
    """One attempt that was cut off."""

    task_id: str
    attempt: int
    worker: str
    at: float  # UNIX seconds


@dataclass
class Damage:
    """What the storm did."""

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


class Storm:
    """`start`, then `position` says how far it is in strikes; it ends by itself, or after `stop`."""

    def __init__(self, stage: Stage, strikes: Sequence[Strike], under_way: Callable[[], Iterable[str]]) -> None:
        self.damage = Damage()
        self.hungry = False  # waits for a worker that runs something
        self.error: BaseException | None = None
        self._stage = stage
        self._strikes = strikes
        self._under_way = under_way
        self._position = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)

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
            for number, strike in enumerate(self._strikes):
                self._await(number, last_kill, strike.gap_boots)
                if self._stop.is_set():
                    return
                self._position = number + 1.0
                self._strike(strike)
                if strike.kind is Kind.WORKER:
                    last_kill = time.monotonic()
        except BaseException as error:
            self.error = error
            log.exception("the storm broke down")

    def _await(self, number: int, since: float, gap_boots: float) -> None:
        began = time.monotonic()
        while not self._stop.wait(TICK_S):
            crew = self._stage.crew
            crew.look(self._stage.registry)
            ends = since + gap_boots * crew.boot_now_s
            now = time.monotonic()
            if now >= ends:
                return
            self._position = number + (now - began) / (ends - began)

    def _strike(self, strike: Strike) -> None:
        if strike.kind is Kind.WORKER:
            self._kill_a_worker(strike.choice)
        elif strike.kind is Kind.BROKER:
            log.info("broker killed for %.1f s", strike.outage_s)
            self._stage.broker.kill()
            self._stop.wait(strike.outage_s)
            self._stage.broker.start()
            self.damage.broker_kills += 1
        else:
            log.info("storage stopped for %.1f s", strike.outage_s)
            self._stage.storage.stop()
            self._stop.wait(strike.outage_s)
            self._stage.storage.start()
            self.damage.storage_stops += 1

    def _kill_a_worker(self, choice: float) -> None:
        """Until one is hit while it runs something."""
        give_up_at = time.monotonic() + NO_VICTIM_S
        while time.monotonic() < give_up_at and not self._stop.is_set():
            running = self._running()
            victims = sorted(running.keys() & self._stage.crew.names())
            if not victims:
                self.hungry = True
                time.sleep(TICK_S)
                continue
            victim = victims[int(choice * len(victims))]
            died_at = self._stage.crew.replace(victim)
            if self._note(victim, died_at):
                break
        else:
            log.warning("no worker was running anything for %.0f s", NO_VICTIM_S)
        self.hungry = False

    def _note(self, victim: str, died_at: float) -> bool:
        """The records are asked again after the death: what still runs there was cut off."""
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
        """Worker -> the attempts that it runs, by the records."""
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        try:
            for task_id in self._under_way():
                job = self._stage.store.get(task_id)
                if job.status is Status.RUNNING and job.worker is not None:
                    found[job.worker].append((task_id, job.attempt))
        except (BrokerUnavailable, NotFound):
            return {}
        return found
