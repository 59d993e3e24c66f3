"""Tell the story of one job in the order of time: its events, its attempts, its webhook, and what operators did to it.

Of progress, what was reported last before something else happened is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shared.admin.audit_log import AuditEntry, AuditLog
from shared.jobs.event_log import Entry, EventLog
from shared.jobs.job import Job
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue

StoryKind = Literal["event", "webhook", "operator"]
AFTERWARDS_S = 24 * 3600.0  # operators act on a dead letter when its job has long ended


@dataclass(frozen=True)
class StoryEntry:
    """Hold one thing that happened, at `at` (UNIX seconds). `attempt`: the one that was under way then, 0 before."""

    at: float
    kind: StoryKind
    what: str
    detail: str
    attempt: int


@dataclass(frozen=True)
class Attempt:
    """Hold one attempt. `outcome` is None while it runs."""

    number: int
    worker: str
    started_at: float
    ended_at: float | None
    outcome: str | None


@dataclass(frozen=True)
class Story:
    entries: tuple[StoryEntry, ...]
    attempts: tuple[Attempt, ...]


class Stories:
    """Read stories. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, event_log: EventLog, deliveries: DeliveryQueue, audit_log: AuditLog) -> None:
        self._event_log, self._deliveries, self._audit_log = event_log, deliveries, audit_log

    def of(self, job: Job) -> Story:
        events = self._event_log.since(job.id)
        until = None if job.finished_at is None else job.finished_at + AFTERWARDS_S
        parts = (  # in this order where they were in one millisecond
            _of_audit(self._audit_log.about(job.id, job.created_at, until)),
            _of_events(events),
            _of_deliveries(self._deliveries.of(job.id) if job.webhook else []),
        )
        entries = sorted((entry for part in parts for entry in part), key=lambda entry: entry.at)
        attempts = attempts_of(events)
        return Story(tuple(_with_attempts(entries, attempts)), tuple(attempts))


def attempts_of(events: Sequence[Entry]) -> list[Attempt]:
    """Return the attempts that a log tells of."""
    found: list[Attempt] = []
    for event in events:
        if event.type == "started":
            found.append(Attempt(event.number("attempt"), event.fields.get("worker", ""), event.at, None, None))
        elif found and found[-1].ended_at is None and (event.ends or event.type == "requeued"):
            found[-1] = replace(found[-1], ended_at=event.at, outcome=_outcome(event))
    return found


def _outcome(event: Entry) -> str:
    reason = event.fields.get("reason", "") if event.type == "requeued" else event.type
    code = event.fields.get("code", "")
    return f"{reason}: {code}" if code else reason


def _of_events(events: Sequence[Entry]) -> Iterable[StoryEntry]:
    attempt = 0
    for event, after in zip(events, (*events[1:], None), strict=True):
        attempt = event.number("attempt") if event.type == "started" else attempt
        if event.type == "progress" and after is not None and after.type == "progress":
            continue
        yield StoryEntry(event.at, "event", event.type, _detail(event), attempt)


def _detail(event: Entry) -> str:
    fields = event.fields
    if event.type == "progress":
        return f"{fields.get('stage', '')}, step {fields.get('step', '')} of {fields.get('steps', '')}"
    if event.type == "started":
        return f"on {fields.get('worker', '')}"
    return _outcome(event) if event.type in ("requeued", "failed") else ""


def _of_deliveries(deliveries: Sequence[Delivery]) -> Iterable[StoryEntry]:
    for delivery in deliveries:
        for one in delivery.tries:
            reply = one.error if one.status is None else f"{one.status}"
            detail = f"answered {reply} within {one.duration_s:.2f} s" if one.status is not None else f"{reply}"
            yield StoryEntry(one.at, "webhook", delivery.event, detail, 0)
        if delivery.next_at is not None:
            yield StoryEntry(delivery.next_at, "webhook", delivery.event, "is tried again", 0)


def _of_audit(entries: Sequence[AuditEntry]) -> Iterable[StoryEntry]:
    for entry in entries:
        detail = f": {entry.detail}" if entry.detail else ""
        yield StoryEntry(entry.at, "operator", entry.action, f"{entry.outcome}, by {entry.actor}{detail}", 0)


def _with_attempts(entries: Sequence[StoryEntry], attempts: Sequence[Attempt]) -> Iterable[StoryEntry]:
    """Say by the time during or after which attempt it was; events know theirs, also within one millisecond."""
    for entry in entries:
        last = max((each.number for each in attempts if each.started_at <= entry.at), default=0)
        yield entry if entry.kind == "event" else replace(entry, attempt=last)
