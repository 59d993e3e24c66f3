"""One chaos run from its beginning to its figures: jobs submitted while the storm rages, then the same seeds in peace.

Owns the order of things. Says how far it is to whoever listens; prints nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from chaos.assertions import Figures, count_jobs, judge
from chaos.client import Answers, Caller, Order
from chaos.environment import Stage
from chaos.faults import Storm
from chaos.plan import Plan, Wish
from chaos.receiver import Receiver

POLL_S = 0.5
UNDER_WAY_MOST = 60  # below MAX_QUEUE_LENGTH
HUNGRY_BATCH = 3  # so that some die in company
PATIENCE_S = 240.0  # without a job that ends
WEBHOOK_PATIENCE_S = 120.0


class Stuck(Exception):
    """Jobs that should end do not."""


@dataclass(frozen=True)
class Progress:
    phase: str
    done: int
    total: int
    damage: str = ""


class Run:
    """`play()` once. `orders` and `storm` can be read meanwhile, and after it was broken off."""

    def __init__(self, plan: Plan, stage: Stage, receiver: Receiver, tell: Callable[[Progress], None]) -> None:
        self.orders: list[Order] = []
        self.storm = Storm(stage, plan.strikes(), self._ids_under_way)
        self._plan = plan
        self._stage = stage
        self._receiver = receiver
        self._tell = tell
        self._under_way: list[Order] = []
        self.answers = Answers()

    def play(self) -> Figures:
        """Raises CallerGaveUp, and Stuck when jobs do not end; what broke the storm itself."""
        since = time.monotonic()
        self._disturbed()
        self._await_webhooks()
        jobs_on_record = count_jobs(self._stage.redis)
        reference = self._reference()
        figures = judge(self.orders, reference, self._receiver, self.storm.damage, self._stage.redis)
        figures.doubled += max(0, jobs_on_record - len(self.orders))
        figures.seconds = round(time.monotonic() - since, 1)
        figures.boot_s = round(self._stage.crew.boot_s, 1)
        figures.notes |= {f"answers_{kind}": round(count, 2) for kind, count in vars(self.answers).items()}
        return figures

    def _disturbed(self) -> None:
        caller = Caller(self._stage.url, self._receiver.url)
        self.storm.start()
        try:
            self.orders = self._see_through(caller, self._plan.wishes(), "storm", self._is_due)
        finally:
            self.storm.stop()
        if self.storm.error is not None:
            raise self.storm.error
        for order in self.orders:
            if order.status == "completed":
                order.digest_later = caller.listen(order)
        self.answers = caller.answers

    def _reference(self) -> dict[int, str]:
        """Seed -> digest of the same wish's audio, made while nothing is broken."""
        caller = Caller(self._stage.url, None)
        wishes = [replace(wish, key=f"{wish.key}-in-peace") for wish in self._plan.wishes()]
        orders = self._see_through(caller, wishes, "peace", lambda _: True)
        return {order.wish.seed: order.digest for order in orders}

    def _is_due(self, wish: Wish) -> bool:
        storm = self.storm
        return storm.over or wish.due <= storm.position or (storm.hungry and len(self._under_way) < HUNGRY_BATCH)

    def _see_through(
        self, caller: Caller, wishes: Sequence[Wish], phase: str, is_due: Callable[[Wish], bool]
    ) -> list[Order]:
        """Submit each wish when it is due, and ask after it until it has ended."""
        waiting, ended, last_end = deque(wishes), list[Order](), time.monotonic()
        while waiting or self._under_way:
            self._stage.check()
            while waiting and len(self._under_way) < UNDER_WAY_MOST and is_due(waiting[0]):
                self._under_way.append(caller.submit(waiting.popleft()))
            if now_ended := list(self._ended(caller)):
                ended += now_ended
                last_end = time.monotonic()
            elif self.storm.over and time.monotonic() - last_end > PATIENCE_S:
                raise Stuck(f"no task ended for {PATIENCE_S:.0f} s; {len(self._under_way)} are under way")
            self._tell(Progress(phase, len(ended), len(wishes), self._damage()))
            time.sleep(POLL_S)
        return ended

    def _ended(self, caller: Caller) -> Iterable[Order]:
        for order in list(self._under_way):
            caller.look(order)
            if order.status != "processing":
                if order.status == "completed":
                    order.digest = caller.listen(order)
                self._under_way.remove(order)
                yield order

    def _await_webhooks(self) -> None:
        """Deliveries that were refused come again; what does not come is missing."""
        give_up_at = time.monotonic() + WEBHOOK_PATIENCE_S
        missing = {(order.task_id, order.status) for order in self.orders if order.status in ("completed", "failed")}
        total = len(missing)
        while missing and time.monotonic() < give_up_at:
            missing -= self._receiver.told.keys()
            self._tell(Progress("webhooks", total - len(missing), total, self._damage()))
            time.sleep(POLL_S)

    def _ids_under_way(self) -> list[str]:
        return [order.task_id for order in list(self._under_way)]

    def _damage(self) -> str:
        done, plan = self.storm.damage, self._plan
        return (
            f"{done.kills}/{plan.kills} workers and {done.broker_kills}/{plan.broker_kills} brokers killed, "
            f"storage stopped {done.storage_stops}/{plan.storage_stops}"
        )
