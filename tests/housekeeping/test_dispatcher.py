"""Webhooks over real HTTP: each wanted event is told, once if all goes well, at least once whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import redis
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from housekeeping.webhook_secrets import WebhookSecrets
from shared.broker.connection import connect
from shared.broker.counters import Counters
from shared.errors import GenerationFailed
from shared.jobs.job import Job
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import ROOT, Settings
from shared.webhooks.delivery_queue import PER_RECEIVER, DeliveryQueue, State
from shared.webhooks.subscription import Webhook
from stack.broker import EmbeddedBroker
from tests.housekeeping.conftest import SECRET, dispatching, eventually, settled
from tests.housekeeping.receiver import Handler, Seen, Server, answer, hold
from tests.submitting import submit_job

Submit, Complete = Callable[..., Job], Callable[[], Job]
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def first(hooks: Server, path: str = "/", within_s: float = 5.0) -> Seen:
    eventually(lambda: hooks.seen[path], within_s)
    return hooks.seen[path][0]


def test_a_completed_job_is_told_signed_and_as_a_poll_would_tell_it(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/"))
    complete()
    with dispatching(settings.model_copy(update={"public_url": "https://music.example/api/"})):
        seen = first(hooks)
        told = settled(deliveries, job)
    Verifier(SECRET).verify(seen.body, seen.headers)
    assert seen.id == f"msg_{job.id}_completed"
    assert seen.headers["content-type"] == "application/json"
    assert seen.data["type"] == "task.completed"
    assert abs(datetime.fromisoformat(seen.data["timestamp"]).timestamp() - time.time()) < 10
    task = seen.data["data"]
    assert (task["task_id"], task["status"], task["duration"]) == (job.id, "completed", 2.0)
    assert task["audio_url"] == f"https://music.example/api/tasks/{job.id}/audio"
    assert task["status_url"] == f"https://music.example/api/tasks/{job.id}"
    assert (told.state, told.tried, told.tries[0].status, told.tries[0].error) == (State.DELIVERED, 1, 200, None)
    assert len(hooks.seen["/"]) == 1


def test_failed_and_cancelled_jobs_are_told_with_their_reason(
    hooks: Server, submit: Submit, store: JobStore, settings: Settings
) -> None:
    submit(hooks.url("/failed"))
    running = store.claim("tiny", "w1")
    assert running is not None
    error = GenerationFailed("the model raised")
    error.retryable = False
    store.fail(running, error)
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


def test_a_failed_try_is_repeated_later_and_later_under_the_same_id(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/", answer(500, 404, 302, 200)))
    complete()
    with dispatching(settings):
        told = settled(deliveries, job)
    seen = hooks.seen["/"]
    assert (told.state, [one.status for one in told.tries]) == (State.DELIVERED, [500, 404, 302, 200])
    assert "redirects are not followed" in str(told.tries[2].error)
    assert {one.id for one in seen} == {f"msg_{job.id}_completed"}
    assert {one.body for one in seen} == {seen[0].body}
    waits = [later.at - earlier.at for earlier, later in pairwise(seen)]
    assert 0.15 < waits[0] < waits[1] < 2.5
    for one in seen:
        Verifier(SECRET).verify(one.body, one.headers)  # each with a timestamp of its own


def test_what_nobody_takes_is_given_up_at_the_end_of_the_span(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    quick = settings.model_copy(update={"webhook_retry_span_s": 1.0})
    job = submit(hooks.url("/", answer(500)))
    complete()
    with dispatching(quick):
        told = settled(deliveries, job)
        tries = len(hooks.seen["/"])
        time.sleep(0.5)
    assert (told.state, told.tries[-1].error) == (State.FAILED, "the receiver answered 500")
    assert 0.9 < told.tries[-1].at - told.at < 2.0
    assert 4 <= tries == told.tried == len(hooks.seen["/"])


def test_a_receiver_that_is_busy_says_when_to_come_back(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/", lambda handler, before: (answer(503, Retry_After="1") if not before else answer(200))(
        handler, before)))  # fmt: skip
    complete()
    with dispatching(settings):
        settled(deliveries, job)
    early, late = hooks.seen["/"]
    assert 0.9 < late.at - early.at < 2.0


def test_410_ends_the_delivery_and_all_further_ones_of_that_job(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/", answer(410)), "started", "completed")
    with dispatching(settings):
        complete()
        eventually(lambda: [one.state for one in deliveries.of(job.id)] == [State.GONE, State.GONE])
    assert len(hooks.seen["/"]) in (1, 2)  # two, when both were on their way at once


def test_a_private_receiver_is_refused_and_the_delivery_says_so(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    guarded = settings.model_copy(update={"webhook_allow_private": False, "webhook_retry_span_s": 0.0})
    job = submit(hooks.url("/", host="localhost"))
    complete()
    with dispatching(guarded):
        told = settled(deliveries, job)
    assert (told.state, told.tries[0].status) == (State.FAILED, None)
    assert "private address" in str(told.tries[0].error)
    assert not hooks.seen


def test_two_secrets_sign_twice_and_without_one_nothing_is_signed(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings
) -> None:
    for path, secrets in {"/both": (SECRET, OLD_SECRET), "/none": ()}.items():
        submit(hooks.url(path))
        complete()
        with dispatching(settings.model_copy(update={"webhook_secret": secrets})):
            first(hooks, path)
    both, none = hooks.seen["/both"][0], hooks.seen["/none"][0]
    for secret in (SECRET, OLD_SECRET):
        Verifier(secret).verify(both.body, both.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(both.body + b" ", both.headers)
    assert "webhook-signature" not in none.headers
    assert int(none.headers["webhook-timestamp"]) > 0


def test_an_account_may_have_a_secret_of_its_own_and_change_it(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, client: redis.Redis
) -> None:
    secrets = WebhookSecrets(client, settings.webhook_secret)
    old, new = secrets.make("local"), secrets.make("local")
    submit(hooks.url("/"))
    complete()
    with dispatching(settings):
        seen = first(hooks)
    for secret in (old, new):
        Verifier(secret).verify(seen.body, seen.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(seen.body, seen.headers)
    secrets.retire("local")
    assert secrets.of("local") == (new,)
    secrets.remove("local")
    assert secrets.of("local") == (SECRET,)


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
        eventually(lambda: len(at_once) == PER_RECEIVER)
        assert len(hooks.seen["/slow"]) == PER_RECEIVER, "none was answered before the quick one came"
        quick_came.set()
        eventually(lambda: len(hooks.seen["/slow"]) == 3 * PER_RECEIVER)
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
        told = settled(deliveries, job, within_s=8)
    assert (told.state, told.tried) == (State.DELIVERED, 1)
    assert [one.id for one in hooks.seen["/"]] == [f"msg_{job.id}_completed"] * 2


def test_a_restart_of_the_broker_loses_no_delivery(
    hooks: Server, request_for: Callable[..., MusicRequest], make_settings: Callable[..., Settings], tmp_path: Path
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
            told = settled(DeliveryQueue(connect(settings), settings), job, within_s=8)
    assert told.state is State.DELIVERED
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
        eventually(lambda: deliveries.backlog() == 0)
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
