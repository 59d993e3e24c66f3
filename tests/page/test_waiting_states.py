"""The page says what it waits for: at a first visit, in the queue, while a worker prepares, and without one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.music.vocabulary import TINY as KNOWS
from shared.workers.registry import WorkerRegistry
from tests.page.conftest import WAIT_MS, Visit
from tests.page.played import WORKER, Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

LOOK_AGAIN = "document.dispatchEvent(new Event('resume'))"  # at once, and not within its five seconds
EVENTS = "**/tasks/*/events*"


@pytest.fixture
def visit(open_page: Callable[..., Visit], played: Played) -> Visit:
    return open_page(url=played.url, key=played.key())


@contextmanager
def told(page: Page, event: str, **data: Any) -> Iterator[None]:
    """Tell the page this event alone, each time that it asks for a task's."""
    body = f"event: {event}\ndata: {json.dumps(data)}\n\n"
    headers = {"Content-Type": "text/event-stream"}
    page.route(EVENTS, lambda route: route.fulfill(status=200, headers=headers, body=body))
    yield
    page.unroute(EVENTS)


def test_at_a_first_visit_one_line_says_what_the_model_knows_and_one_tap_makes_an_example(visit: Visit) -> None:
    expect(visit.page.get_by_text(KNOWS.summary)).to_be_visible()
    visit.page.locator(".first").get_by_role("button", name=KNOWS.examples[0]).click()
    visit.stage_is("Made")
    expect(visit.piece(KNOWS.examples[0])).to_be_visible()
    expect(visit.page.locator(".first")).to_have_count(0)


def test_who_waits_sees_what_is_ahead_and_a_time_that_counts_down_and_never_grows_without_a_word(
    visit: Visit, played: Played
) -> None:
    page = visit.page
    left = page.locator(".now .left")
    with played.musician.resting():
        with told(page, "queued", position=1, eta_s=40):
            visit.make("waits its turn", 1)
            visit.stage_is("Waits: 1 before it")
            expect(left).to_contain_text(re.compile("about (3[5-9]|40) s left"), timeout=WAIT_MS)
            expect(left).to_contain_text(re.compile("about (2[0-9]|3[0-7]) s left"), timeout=WAIT_MS)
        with told(page, "queued", position=0, eta_s=80):
            visit.stage_is("Next in line")
            expect(left).to_contain_text(re.compile("takes longer than thought, about [78][0-9] s left"))
    visit.stage_is("Made")


def test_what_a_worker_prepares_is_said_to_be_prepared(visit: Visit, played: Played) -> None:
    with played.musician.resting(), told(visit.page, "started", attempt=1):
        visit.make("is prepared", 1)
        visit.stage_is("A worker prepares it")
    visit.stage_is("Made")


def test_where_no_worker_is_alive_what_is_asked_for_waits_and_both_are_said(visit: Visit, played: Played) -> None:
    registry = WorkerRegistry(played.client, played.settings)
    notice = visit.page.get_by_text("No worker is running, so nothing is made now")
    with played.musician.resting():
        visit.make("waits for a worker", 1)
        visit.stage_is("Next in line")
        registry.leave(WORKER.worker)
        visit.page.evaluate(LOOK_AGAIN)
        try:
            expect(notice).to_be_visible(timeout=WAIT_MS)
            visit.stage_is("Waits: no worker is running for this model")
        finally:
            registry.announce(WORKER)
        visit.page.evaluate(LOOK_AGAIN)
        expect(notice).to_have_count(0, timeout=WAIT_MS)
    visit.stage_is("Made")
