"""Try a webhook again, or not, by what its receiver answers."""

from __future__ import annotations

import time
from itertools import pairwise

from standardwebhooks import Webhook as Verifier

from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue, State
from tests.housekeeping.webhooks.conftest import SECRET, Complete, Submit, dispatching, settled
from tests.housekeeping.webhooks.receiver import Server, answer
from tests.stack.waiting import wait_for


def test_a_failed_try_is_repeated_later_and_later_under_the_same_id(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    job = submit(hooks.url("/", answer(500, 404, 302, 200)))
    complete()
    with dispatching(settings):
        delivery = settled(deliveries, job)
    seen = hooks.seen["/"]
    assert (delivery.state, [one.status for one in delivery.tries]) == (State.DELIVERED, [500, 404, 302, 200])
    assert "redirects are not followed" in str(delivery.tries[2].error)
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
        delivery = settled(deliveries, job)
        tries = len(hooks.seen["/"])
        time.sleep(0.5)
    assert (delivery.state, delivery.tries[-1].error) == (State.FAILED, "the receiver answered 500")
    assert 0.9 < delivery.tries[-1].at - delivery.at < 2.0
    assert 4 <= tries == delivery.tried == len(hooks.seen["/"])


def test_a_receiver_that_is_busy_says_when_to_come_back(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    busy = answer(503, Retry_After="1")
    job = submit(hooks.url("/", lambda handler, before: (busy if not before else answer(200))(handler, before)))
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
        assert wait_for(lambda: [one.state for one in deliveries.of(job.id)] == [State.GONE, State.GONE])
    assert len(hooks.seen["/"]) in (1, 2)  # two, when both were on their way at once


def test_a_private_receiver_is_refused_and_the_delivery_says_so(
    hooks: Server, submit: Submit, complete: Complete, deliveries: DeliveryQueue, settings: Settings
) -> None:
    guarded = settings.model_copy(update={"webhook_allow_private": False, "webhook_retry_span_s": 0.0})
    job = submit(hooks.url("/", host="localhost"))
    complete()
    with dispatching(guarded):
        delivery = settled(deliveries, job)
    assert (delivery.state, delivery.tries[0].status) == (State.FAILED, None)
    assert "private address" in str(delivery.tries[0].error)
    assert not hooks.seen
