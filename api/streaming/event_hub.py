"""Publish the events of jobs to any number of subscribed streams, with one reader a process.

However many streams are open, they share one connection to Redis: one thread reads all their event logs with
one command, and once a second asks with another how long they still wait. Each stream has a small buffer; while a slow
reader's is full its log is not read, so that the backlog stays in Redis, which bounds it. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from api.streaming.hub import Hub, Subscription
from api.streaming.shutdown import Shutdown
from shared.jobs.event_log import Entry, EventLog, order
from shared.jobs.job import Status

BUFFER_ENTRIES = 64
READ_ENTRIES = 32  # of one job at once
WAIT_S = 0.25  # how long one read waits for something new; a new stream joins at the next read
PAUSE_S = 0.05  # after a read that found something, so that many busy jobs cost at most twenty reads a second
OUTLOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Outlook:
    """Hold a job's status, and while it is queued its position and the seconds until its end, where they are known."""

    status: Status
    position: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Over:
    """Say that nothing more comes: the record is `gone`, or cannot be read, or has ended without a word in its log."""

    gone: bool


@dataclass(frozen=True)
class Silence:
    """Say that nothing happened for a while."""


Notice = Entry | Outlook | Over | Silence
Outlooks = Callable[[Sequence[str]], Mapping[str, Outlook | None]]
Statuses = Callable[[Sequence[str]], Mapping[str, Status | None]]


class EventSubscription(Subscription[list[Notice]]):
    """Buffer one stream's entries in their order, and the newest outlook where it wants any."""

    def __init__(self, job_id: str, after: str, *, wants_outlooks: bool = True) -> None:
        super().__init__(job_id)
        self.after = after  # the last entry that was put in
        self.wants_outlooks = wants_outlooks
        self._entries: list[Entry] = []
        self._outlook: Outlook | None = None
        self._over: Over | None = None
        self._doubts = 0

    @property
    def is_full(self) -> bool:
        return len(self._entries) >= BUFFER_ENTRIES

    def put(self, entries: Sequence[Entry]) -> None:
        """Add entries, but for those that it had already: others may read the same log, and be further behind."""
        with self._changed:
            for entry in entries:
                if order(entry.id) > order(self.after):
                    self._entries.append(entry)
                    self.after = entry.id
            self._changed.notify()

    def update(self, outlook: Outlook | None) -> None:
        """Replace the outlook; None says that the record is gone."""
        with self._changed:
            self._outlook = outlook if self.wants_outlooks else None
            over = outlook is None or outlook.status.ended
            # the end is in the log as soon as in the record: twice, with a read of the log between, and it is not
            self._doubts = self._doubts + 1 if over and not self._entries else 0
            if self._doubts > 1:
                self._over = Over(gone=outlook is None)
            if self._outlook or self._over:
                self._changed.notify()

    def close(self) -> None:
        """End the stream, so that its reader comes again."""
        with self._changed:
            self._over = self._over or Over(gone=False)
            super().close()

    def _has_news(self) -> bool:
        return bool(self._entries or self._outlook or self._over)

    def _take(self) -> list[Notice]:
        taken: list[Notice] = [*self._entries]
        taken += [each for each in (self._outlook, self._over) if each is not None]
        self._entries, self._outlook = [], None
        return taken


class EventHub(Hub[EventSubscription, list[Notice]]):
    """Publish entries and outlooks. One per process."""

    def __init__(self, events: EventLog, outlooks: Outlooks, statuses: Statuses, shutdown: Shutdown) -> None:
        super().__init__(shutdown, "event-hub")
        self._events = events
        self._outlooks = outlooks
        self._statuses = statuses
        self._outlooks_read_at = 0.0

    def subscribe(
        self, job_id: str, after: str, *, silence_s: float, is_left: Callable[[], bool] = lambda: False
    ) -> Generator[list[Notice], None, None]:
        """Yield what happens to the job after that entry, until it is over, it `is_left`, or this process is to stop.

        A list with Silence alone says that nothing happened for `silence_s`.
        """
        subscription = EventSubscription(job_id, after)
        with closing(self._news(subscription, silence_s=silence_s, is_left=is_left)) as news:
            for notices in news:
                yield notices or [Silence()]
                if any(isinstance(n, Over) or (isinstance(n, Entry) and n.ends) for n in notices or ()):
                    return

    def wait_for(
        self,
        job_id: str,
        after: str,
        expected: Callable[[Notice], bool],
        timeout_s: float,
        *,
        is_left: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Return whether such a notice came after that entry within the time, before it `is_left`.

        Costs less than `subscribe`: it gets entries and the end, and no outlooks. Returns when this process is to stop.
        """
        subscription = EventSubscription(job_id, after, wants_outlooks=False)
        with closing(self._news(subscription, timeout_s=timeout_s, is_left=is_left)) as news:
            return any(expected(notice) for notices in news for notice in notices or ())

    def _read(self, subscriptions: list[EventSubscription]) -> None:
        self._read_apart(self._read_logs, [each for each in subscriptions if not each.is_full])
        if time.monotonic() - self._outlooks_read_at >= OUTLOOK_EVERY_S:
            self._outlooks_read_at = time.monotonic()
            self._read_apart(self._read_outlooks, subscriptions)

    def _read_logs(self, subscriptions: list[EventSubscription]) -> None:
        """Read the logs of their jobs, and wait a little: for something new, or after it."""
        if not subscriptions:
            time.sleep(WAIT_S)
            return
        by_job: dict[str, list[EventSubscription]] = defaultdict(list)
        for subscription in subscriptions:
            by_job[subscription.job_id].append(subscription)
        after = {job_id: min((each.after for each in group), key=order) for job_id, group in by_job.items()}
        found = self._events.newer(after, wait_s=WAIT_S, count=READ_ENTRIES)
        for job_id, entries in found.items():
            for subscription in by_job[job_id]:
                subscription.put(entries)
        time.sleep(PAUSE_S if found else 0)

    def _read_outlooks(self, subscriptions: list[EventSubscription]) -> None:
        """Read the outlooks of streamed jobs, and of all others only the status: that costs a tenth."""
        wanted = {each.job_id for each in subscriptions if each.wants_outlooks}
        outlooks = dict(self._outlooks(sorted(wanted))) if wanted else {}
        if others := sorted({each.job_id for each in subscriptions} - wanted):
            statuses = self._statuses(others).items()
            outlooks |= {job_id: Outlook(status) if status else None for job_id, status in statuses}
        for subscription in subscriptions:
            subscription.update(outlooks.get(subscription.job_id))
