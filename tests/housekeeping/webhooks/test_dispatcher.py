"""Webhooks are sent over real HTTP: each wanted event once if all goes well, at least once whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import redis
from standardwebhooks import Webhook as Verifier

from shared.broker.connection import connect
from shared.broker.counters import Counters
from shared.jobs.store import JobStore
from shared.settings import ROOT, Settings
from shared.webhooks.delivery_queue import PER_RECEIVER, DeliveryQueue, State
from shared.webhooks.subscription import Webhook
from stack.broker import EmbeddedBroker
from tests.housekeeping.webhooks.conftest import SECRET, Complete, Submit, dispatching, first, settled
from tests.housekeeping.webhooks.receiver import Handler, Server, answer, hold
from tests.shared.steps import Requests, final
from tests.stack.waiting import wait_for
from tests.submitting import submit_job

pytestmark = pytest.mark.slow


def test_a_completed_job_is_told_signed_and_as_a_poll_would_tell_it(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/"))
    complete()
    with dispatching(settings.model_copy(update={"public_url": "https://music.example/api/"})):
        seen = first(hooks)
        delivery = settled(deliveries, job)
    Verifier(SECRET).verify(seen.body, seen.headers)
    assert seen.id == f"msg_{job.id}_completed"
    assert seen.headers["content-type"] == "application/json"
    assert seen.data["type"] == "task.completed"
    assert abs(datetime.fromisoformat(seen.data["timestamp"]).timestamp() - time.time()) < 10
    task = seen.data["data"]
    assert (task["task_id"], task["status"], task["duration"]) == (job.id, "completed", 2.0)
    assert task["audio_url"] == f"https://music.example/api/tasks/{job.id}/audio"
    assert task["status_url"] == f"https://music.example/api/tasks/{job.id}"
    assert (delivery.state, delivery.tried) == (State.DELIVERED, 1)
    assert (delivery.tries[0].status, delivery.tries[0].error) == (200, None)
    assert len(hooks.seen["/"]) == 1


def test_failed_and_cancelled_jobs_are_told_with_their_reason(
    hooks: Server, submit: Submit, store: JobStore, settings: Settings
) -> None:
    submit(hooks.url("/failed"))
    running = store.claim("tiny", "w1")
    assert running is not None
    store.fail(running, final("the model raised"))
    store.cancel(submit(hooks.url("/cancelled")).id)
    with dispatching(settings):
        failed, cancelled = first(hooks, "/failed").data, first(hooks, "/cancelled").data
    assert (failed["type"], failed["data"]["error"]) == ("task.failed", "the model raised")
    assert (cancelled["type"], cancelled["data"]["status"]) == ("task.cancelled", "cancelled")


def test_only_the_chosen_events_are_told_and_each_shows_the_job_as_it_was(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, deliveries: DeliveryQueue
) -> None:
    job = submit(hooks.url("/"), "started", "cancelled")
    complete()
    with dispatching(settings):
        seen = first(hooks)
        settled(deliveries, job)
        time.sleep(0.5)
    assert [one.data["type"] for one in hooks.seen["/"]] == ["task.started"]
    assert (seen.data["data"]["status"], seen.data["data"]["stage"]) == ("processing", "running")
    assert "audio_url" not in seen.data["data"]


def test_a_slow_receiver_keeps_only_its_own_waiting_and_gets_few_at_once(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings
) -> None:
    at_once: list[int] = []
    most: list[int] = []
    quick_came = threading.Event()

    def slow(handler: Handler, before: int) -> None:
        at_once.append(before)
        most.append(len(at_once))
        quick_came.wait(5)
        time.sleep(0.02)
        at_once.remove(before)
        answer(200)(handler, before)

    for _ in range(3 * PER_RECEIVER):
        submit(hooks.url("/slow", slow, host="localhost"))  # another name is another receiver
        complete()
    submit(hooks.url("/quick"))
    complete()
    with dispatching(settings):
        first(hooks, "/quick")
        assert wait_for(lambda: len(at_once) == PER_RECEIVER)
        assert len(hooks.seen["/slow"]) == PER_RECEIVER, "none was answered before the quick one came"
        quick_came.set()
        assert wait_for(lambda: len(hooks.seen["/slow"]) == 3 * PER_RECEIVER)
    assert max(most) == PER_RECEIVER


def test_two_dispatchers_send_nothing_twice(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, deliveries: DeliveryQueue
) -> None:
    jobs = [submit(hooks.url(f"/{number}", hold(0.02))) for number in range(40)]
    for _ in jobs:
        complete()
    with dispatching(settings), dispatching(settings):
        for job in jobs:
            settled(deliveries, job)
    assert [len(hooks.seen[f"/{number}"]) for number in range(40)] == [1] * 40


def test_a_dispatcher_killed_in_mid_delivery_is_followed_by_another_with_the_same_id(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, deliveries: DeliveryQueue
) -> None:
    impatient = settings.model_copy(update={"webhook_timeout_s": 0.5, "webhook_retry_span_s": 60.0})
    stuck = hold(30)
    job = submit(hooks.url("/", lambda handler, before: (stuck if not before else answer(200))(handler, before)))
    complete()
    process = start_process(settings.model_copy(update={"webhook_timeout_s": 0.5}))
    try:
        first(hooks, within_s=15)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert deliveries.of(job.id)[0].tried == 0, "it was killed too late"
    with dispatching(impatient):
        delivery = settled(deliveries, job, within_s=8)
    assert (delivery.state, delivery.tried) == (State.DELIVERED, 1)
    assert [one.id for one in hooks.seen["/"]] == [f"msg_{job.id}_completed"] * 2


def test_a_restart_of_the_broker_loses_no_delivery(
    hooks: Server, request_for: Requests, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        settings = make_settings(redis_url=broker.url, webhook_allow_private=True, webhook_timeout_s=0.5)
        store = JobStore(connect(settings), settings)
        webhook = Webhook(hooks.url("/", hold(0.2))).as_json()
        with dispatching(settings):
            job = submit_job(store, request_for(), "tiny", account="local", source="tasks", webhook=webhook)
            store.cancel(job.id)
            first(hooks)
            broker.kill()  # what it is sending just now cannot be settled
            time.sleep(0.5)
            broker.start()
            delivery = settled(DeliveryQueue(connect(settings), settings), job, within_s=8)
    assert delivery.state is State.DELIVERED
    assert {seen.id for seen in hooks.seen["/"]} == {f"msg_{job.id}_cancelled"}


def test_a_stopped_process_tells_what_it_sends_and_leaves_the_rest(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, deliveries: DeliveryQueue
) -> None:
    job = submit(hooks.url("/", hold(0.5)))
    complete()
    process = start_process(settings)
    first(hooks, within_s=15)
    process.terminate()
    assert process.wait(timeout=10) == 0
    assert deliveries.of(job.id)[0].state is State.DELIVERED


def test_a_job_that_was_purged_is_told_no_more(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, store: JobStore, deliveries: DeliveryQueue
) -> None:
    job = submit(hooks.url("/", answer(500)))
    complete()
    with dispatching(settings):
        first(hooks)
        store.purge(job.id)
        assert wait_for(lambda: deliveries.backlog() == 0)
    assert deliveries.of(job.id) == []


def test_deliveries_are_counted_by_what_became_of_them(
    hooks: Server,
    submit: Submit,
    complete: Complete,
    settings: Settings,
    deliveries: DeliveryQueue,
    client: redis.Redis,
) -> None:
    job = submit(hooks.url("/", answer(500, 200)))
    complete()
    with dispatching(settings):
        settled(deliveries, job)
    counts = Counters(client).read()
    assert (counts["webhooks", "retried"], counts["webhooks", "delivered"]) == (1, 1)


def start_process(settings: Settings) -> subprocess.Popen[bytes]:
    environment = {
        "REDIS_URL": settings.redis_url,
        "LOCAL_STORAGE_PATH": str(settings.local_storage_path),
        "WEBHOOK_ALLOW_PRIVATE": "1",
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_TIMEOUT_S": str(settings.webhook_timeout_s),
        "WEBHOOK_RETRY_SPAN_S": str(settings.webhook_retry_span_s),
        "PATH": os.defpath,
    }
    command = [sys.executable, "-m", "housekeeping"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
