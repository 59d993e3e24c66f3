"""Following jobs live: one reader per process tells any number of open streams what their jobs do.

However many streams are open, they hold one connection to Redis together: one thread reads all their event logs with
one command, and once a second asks with another how long they still wait. Each stream has a small box; while a slow
reader's box is full its log is not read, so that the backlog stays in Redis, which bounds it. Knows no HTTP.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from shared.errors import BrokerUnavailable
from shared.jobs.event_log import Entry, EventLog, order
from shared.jobs.job import Status

log = logging.getLogger(__name__)

BOX_ENTRIES = 64
READ_ENTRIES = 32  # of one job at once
WAIT_S = 0.25  # how long one read waits for something new; a new stream joins at the next read
PAUSE_S = 0.05  # after a read that found something, so that many busy jobs cost at most twenty reads a second
OUTLOOK_EVERY_S = 1.0
BROKER_RETRY_S = 0.5
STOP_CHECK_S = 0.5


@dataclass(frozen=True)
class Outlook:
    """How a job stands, and while it waits its place in line and the seconds until its end, where they can be told."""

    status: Status
    position: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Over:
    """Nothing more will come: the record is `gone`, or it has ended and its log does not say so."""

    gone: bool


@dataclass(frozen=True)
class Silence:
    """Nothing happened for a while."""


Notice = Entry | Outlook | Over | Silence
Outlooks = Callable[[Sequence[str]], Mapping[str, Outlook | None]]
Statuses = Callable[[Sequence[str]], Mapping[str, Status | None]]


class Subscription:
    """What one open stream has not taken yet: entries in their order, and the newest outlook where it wants any."""

    def __init__(self, job_id: str, after: str, *, wants_outlooks: bool = True) -> None:
        self.job_id = job_id
        self.after = after  # the last entry that was put in
        self.wants_outlooks = wants_outlooks
        self._entries: list[Entry] = []
        self._outlook: Outlook | None = None
        self._over: Over | None = None
        self._doubts = 0
        self._filled = threading.Condition()

    @property
    def has_room(self) -> bool:
        return len(self._entries) < BOX_ENTRIES

    def put(self, entries: Sequence[Entry]) -> None:
        """Those that it had already are left out: others may follow the same job, and be further behind."""
        with self._filled:
            for entry in entries:
                if order(entry.id) > order(self.after):
                    self._entries.append(entry)
                    self.after = entry.id
            self._filled.notify()

    def look(self, outlook: Outlook | None) -> None:
        with self._filled:
            self._outlook = outlook if self.wants_outlooks else None
            over = outlook is None or outlook.status.ended
            # the end is in the log as soon as in the record: twice, with a read of the log between, and it is not
            self._doubts = self._doubts + 1 if over and not self._entries else 0
            if self._doubts > 1:
                self._over = Over(gone=outlook is None)
            if self._outlook or self._over:
                self._filled.notify()

    def close(self, gone: bool = False) -> None:
        with self._filled:
            self._over = Over(gone)
            self._filled.notify()

    def take(self, timeout_s: float) -> list[Notice]:
        """All of it; an empty list after the timeout."""
        with self._filled:
            if not (self._entries or self._outlook or self._over):
                self._filled.wait(timeout_s)
            taken: list[Notice] = [*self._entries]
            if self._outlook is not None:
                taken.append(self._outlook)
            if self._over is not None:
                taken.append(self._over)
            self._entries, self._outlook = [], None
            return taken


class EventHub:
    """One per process; its thread lives while somebody follows."""

    def __init__(self, events: EventLog, outlooks: Outlooks, statuses: Statuses) -> None:
        self._events = events
        self._outlooks = outlooks
        self._statuses = statuses
        self._subscriptions: set[Subscription] = set()
        self._lock = threading.Lock()
        self._reading = False
        self._stopping = False

    def stop_at(self, number: signal.Signals) -> None:
        """At that signal all streams end, within a second; the signal's former handler is called as before."""
        former = signal.getsignal(number)

        def stop(received: int, frame: FrameType | None) -> None:
            self._stopping = True  # no more than this: it runs between any two instructions of any thread
            if callable(former):
                former(received, frame)

        signal.signal(number, stop)

    @property
    def stopping(self) -> bool:
        """Whether this process is to stop: also for what else keeps connections open."""
        return self._stopping

    def follow(
        self, job_id: str, after: str, *, silence_s: float, left: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Notice]]:
        """What happens to the job after that entry, until it is over, it is `left`, or this process is to stop.

        A list with Silence alone says that nothing happened for `silence_s`.
        """
        subscription = Subscription(job_id, after)
        self._open(subscription)
        heard_at = time.monotonic()
        try:
            while not self._stopping and not left():
                notices = subscription.take(min(STOP_CHECK_S, silence_s))
                if not notices and time.monotonic() - heard_at >= silence_s:
                    notices = [Silence()]
                if not notices:
                    continue
                heard_at = time.monotonic()
                yield notices
                if any(isinstance(n, Over) or (isinstance(n, Entry) and n.ends) for n in notices):
                    return
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def wait_for(
        self,
        job_id: str,
        after: str,
        expected: Callable[[Notice], bool],
        timeout_s: float,
        *,
        left: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Return whether such a notice came after that entry within the time, before it was `left`.

        Costs less than `follow`: it hears entries and the end, and no outlooks. Returns when this process is to stop.
        """
        subscription, give_up_at = Subscription(job_id, after, wants_outlooks=False), time.monotonic() + timeout_s
        self._open(subscription)
        try:
            while not (self._stopping or left()) and (left_s := give_up_at - time.monotonic()) > 0:
                if any(expected(notice) for notice in subscription.take(min(STOP_CHECK_S, left_s))):
                    return True
            return False
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def _open(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.add(subscription)
            if not self._reading:
                self._reading = True
                threading.Thread(target=self._read_all, name="following", daemon=True).start()

    def _read_all(self) -> None:
        looked_at = 0.0
        while boxes := self._open_boxes():
            try:
                found = self._read(boxes)
                if time.monotonic() - looked_at >= OUTLOOK_EVERY_S:
                    looked_at = time.monotonic()
                    self._look(boxes)
                time.sleep(PAUSE_S if found else 0)
            except BrokerUnavailable:
                time.sleep(BROKER_RETRY_S)  # the streams stay open and go on where they were
            except Exception:
                log.exception("the reader of event streams failed; its streams end, and their readers come again")
                for subscription in self._open_boxes():
                    subscription.close()
                time.sleep(BROKER_RETRY_S)

    def _open_boxes(self) -> list[Subscription]:
        with self._lock:
            self._reading = bool(self._subscriptions)
            return list(self._subscriptions)

    def _read(self, boxes: list[Subscription]) -> bool:
        readers: dict[str, list[Subscription]] = defaultdict(list)
        for subscription in boxes:
            if subscription.has_room:
                readers[subscription.job_id].append(subscription)
        if not readers:
            time.sleep(WAIT_S)
            return False
        after = {
            job_id: min((subscription.after for subscription in group), key=order) for job_id, group in readers.items()
        }
        found = self._events.newer(after, wait_s=WAIT_S, count=READ_ENTRIES)
        for job_id, entries in found.items():
            for subscription in readers[job_id]:
                subscription.put(entries)
        return bool(found)

    def _look(self, boxes: list[Subscription]) -> None:
        """Ask where the jobs of streams stand, and of all others only whether they go on: that costs a tenth."""
        placed = {subscription.job_id for subscription in boxes if subscription.wants_outlooks}
        outlooks = dict(self._outlooks(sorted(placed))) if placed else {}
        if others := sorted({subscription.job_id for subscription in boxes} - placed):
            statuses = self._statuses(others).items()
            outlooks |= {job_id: Outlook(status) if status else None for job_id, status in statuses}
        for subscription in boxes:
            subscription.look(outlooks.get(subscription.job_id))
