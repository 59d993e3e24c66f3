"""Give tests a receiver, and a dispatcher over a real broker. The worker is played by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis

from housekeeping.process import make_parts
from shared.jobs.job import Job, Result
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.webhooks.delivery_queue import Delivery, DeliveryQueue, State
from shared.webhooks.subscription import Webhook
from tests.housekeeping.webhooks.receiver import Seen, Server, receiver
from tests.shared.steps import MADE_BY, Requests
from tests.stack.waiting import wait_for
from tests.submitting import submit_job

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Submit, Complete = Callable[..., Job], Callable[[], Job]


@pytest.fixture
def hooks() -> Iterator[Server]:
    with receiver() as server:
        yield server


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(webhook_allow_private=True, webhook_secret=(SECRET,), webhook_retry_span_s=4.0)


@pytest.fixture
def deliveries(client: redis.Redis, settings: Settings) -> DeliveryQueue:
    return DeliveryQueue(client, settings)


@pytest.fixture
def submit(store: JobStore, request_for: Requests) -> Submit:
    """Accept a job with a webhook to that address."""

    def submit(url: str, *events: str) -> Job:
        webhook = Webhook(url, events) if events else Webhook(url)
        return submit_job(store, request_for(), "tiny", account="local", source="tasks", webhook=webhook.as_json())

    return submit


@pytest.fixture
def complete(store: JobStore) -> Complete:
    """Play the worker: claim the next job, and complete it."""

    def complete() -> Job:
        job = store.claim("tiny", "w1")
        assert job is not None
        store.complete(job, Result(f"results/{job.id}/1.wav", "audio/wav", 9, "abc", 2.0, 32000, 1, 0.7, MADE_BY))
        return store.reader.get(job.id)

    return complete


@contextmanager
def dispatching(settings: Settings) -> Iterator[None]:
    """Run a dispatcher as the housekeeping process does."""
    dispatcher, _ = make_parts(settings)
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop()


def first(hooks: Server, path: str = "/", within_s: float = 5.0) -> Seen:
    """Return the first request that comes to a path."""
    assert wait_for(lambda: hooks.seen[path], within_s), f"nothing came to {path}"
    return hooks.seen[path][0]


def settled(deliveries: DeliveryQueue, job: Job, within_s: float = 5.0) -> Delivery:
    """Return the job's one delivery, when it is done with."""
    done = wait_for(
        lambda: next((one for one in deliveries.of(job.id) if one.state is not State.PENDING), None), within_s
    )
    assert done is not None, "it was not settled"
    return done
