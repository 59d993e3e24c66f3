"""A job's story has its events, attempts, webhook tries and what operators did, in the order of time."""

from __future__ import annotations

from collections.abc import Callable

import redis

from shared.admin.audit_log import Actor
from shared.admin.job_story import Stories
from shared.admin.operator import Operator
from shared.broker.keys import RedisKeys
from shared.errors import GenerationFailed
from shared.jobs.event_log import EventLog
from shared.jobs.job import Stage
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue, State, Try
from tests.shared.admin.test_minute_counts import claimed
from tests.submitting import submit_job

WEBHOOK = '{"url": "https://receiver.example/", "lane": "receiver.example", "events": ["cancelled"]}'


def test_the_story_of_a_job_that_failed_once_and_was_cancelled_by_an_operator(
    client: redis.Redis, settings: Settings, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    operator, queue = Operator(client, settings), DeliveryQueue(client, settings)
    job = submit_job(store, request_for(), "tiny", webhook=WEBHOOK)
    first = claimed(store)
    for step in (10, 20, 30):
        store.renew(first, Stage.RUNNING, step, 100)
    store.fail(first, GenerationFailed("the model raised"))
    claimed(store)
    operator.cancel(job.id, Actor("ops", "key1"))
    (claim,) = queue.claim(5)
    queue.settle(claim, claim.delivery.after(Try(claim.at, 0.25, 500), State.PENDING, claim.at + 60))
    story = Stories(EventLog(client), queue, operator.audit_log).of(store.reader.get(job.id))
    told: dict[str, list[tuple[str, str]]] = {"event": [], "operator": [], "webhook": []}
    for entry in story.entries:
        told[entry.kind].append((entry.what, entry.detail))
    assert told["event"] == [
        ("queued", ""),
        ("started", "on w1"),
        ("progress", "running, step 30 of 100"),
        ("requeued", "failed: GENERATION_FAILED"),
        ("started", "on w1"),
        ("cancelled", ""),
    ]
    assert told["operator"] == [("cancel", "done, by ops")]
    assert told["webhook"] == [("cancelled", "answered 500 within 0.25 s"), ("cancelled", "is tried again")]
    assert (story.entries[0].attempt, story.entries[-1].attempt) == (0, 2)
    assert [entry.at for entry in story.entries] == sorted(entry.at for entry in story.entries)
    outcomes = [(attempt.number, attempt.worker, attempt.outcome) for attempt in story.attempts]
    assert outcomes == [(1, "w1", "failed: GENERATION_FAILED"), (2, "w1", "cancelled")]
    assert all(attempt.ended_at is not None and attempt.ended_at >= attempt.started_at for attempt in story.attempts)


def test_events_of_one_millisecond_are_told_in_their_order_each_with_its_own_attempt(
    client: redis.Redis, settings: Settings, store: JobStore, request_for: Callable[..., MusicRequest]
) -> None:
    job, log = submit_job(store, request_for(), "tiny"), RedisKeys().events
    client.delete(log(job.id))
    for number, event in enumerate(("queued", "started 1", "requeued", "started 2")):
        kind, _, attempt = event.partition(" ")
        fields = {"type": kind, "at_ms": "1700000000000", "reason": "lost", "attempt": attempt or "0"}
        client.xadd(log(job.id), fields, id=f"1700000000000-{number}")
    queue, audit_log = DeliveryQueue(client, settings), Operator(client, settings).audit_log
    story = Stories(EventLog(client), queue, audit_log).of(job)
    assert [(entry.what, entry.attempt) for entry in story.entries] == [
        ("queued", 0),
        ("started", 1),
        ("requeued", 1),
        ("started", 2),
    ]
