"""The broker is away for five seconds by the clock, while a piece is made and while one is asked for: both end well."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Stack
from tests.page.conftest import BROKEN_OFF, WAIT_MS, Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

AWAY_S = 5.0
ALLOWED = ("Failed to load resource: the server responded with a status of 503", *BROKEN_OFF)


@contextmanager
def away(stack: Stack) -> Iterator[None]:
    """Kill the broker, and start it on the same file five seconds later."""
    since = time.monotonic()
    stack.broker.kill()
    try:
        yield
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - since)))
    finally:
        stack.broker.start()


def ends_well(visit: Visit, stack: Stack, prompt: str) -> None:
    """Wait until it is made; it is there once, and is heard."""
    row = visit.piece(prompt)
    expect(row).to_be_visible(timeout=WAIT_MS)
    expect(visit.page.locator(".piece", has_text=prompt)).to_have_count(1)
    tasks = stack.http.get("/tasks").json()["tasks"]
    assert [task["status"] for task in tasks if task["prompt"] == prompt] == ["completed"]
    row.get_by_role("button", name="Play").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()


def test_what_is_made_and_what_is_asked_for_meanwhile_end_well_without_asking_again(
    open_page: Callable[..., Visit], stack: Stack
) -> None:
    visit = open_page(allowed=ALLOWED)
    page, made, asked = visit.page, "gentle flute, slow, in E major", "sad piano, slow, in B minor"
    expect(page.locator(".load")).to_contain_text("1 worker")
    visit.make(made, 10)
    visit.stage_is(re.compile("made [1-9]"))
    visit.choose_length(2)
    with away(stack):
        page.locator("#prompt").fill(asked)
        expect(page.get_by_text("A part of the server is away")).to_be_visible()
        visit.make(asked)
        expect(page.get_by_role("button", name="Sending")).to_be_visible()
    for prompt in (asked, made):
        ends_well(visit, stack, prompt)
    expect(page.locator("#prompt")).to_have_value(asked)
    expect(page.locator(".notice.bad, .make .fault:not(:empty)")).to_have_count(0)
