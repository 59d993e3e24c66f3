"""One object tells all that a process has open that it is to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import redis

from api.streaming.event_hub import EventHub, Outlook, Silence
from api.streaming.shutdown import Shutdown
from shared.jobs.event_log import EventLog
from shared.jobs.job import Status
from shared.jobs.store import JobStore


@pytest.fixture
def received() -> Iterator[list[int]]:
    """The signals that a handler of before was called with."""
    numbers: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, frame: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGUSR1, former)


def test_a_signal_begins_the_shutdown_and_reaches_its_former_handler_too(received: list[int]) -> None:
    shutdown = Shutdown()
    shutdown.begin_at(signal.SIGUSR1)
    assert not shutdown.begun
    os.kill(os.getpid(), signal.SIGUSR1)
    assert (shutdown.begun, received) == (True, [signal.SIGUSR1])


def test_a_shutdown_ends_a_subscription_of_a_job_that_goes_on(client: redis.Redis, store: JobStore) -> None:
    shutdown = Shutdown()
    events = EventHub(
        EventLog(client), lambda ids: dict.fromkeys(ids, Outlook(Status.RUNNING)), store.reader.statuses, shutdown
    )
    stream = events.subscribe("a", "0", silence_s=0.05)
    while next(stream) != [Silence()]:
        pass
    shutdown.begin()
    assert not [notice for notices in stream for notice in notices if not isinstance(notice, Outlook)]
    assert not events._subscriptions
