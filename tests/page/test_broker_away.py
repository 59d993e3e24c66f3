"""The broker is away for five seconds by the clock, while a piece is made and while one is asked for: both end well."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Stack
from tests.page.conftest import BROKEN_OFF, Visit

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
    """Wait until it is made; it is there once, is heard, and the page complains of nothing any more."""
    visit.stage_is(re.compile("^Made$"))
    expect(visit.page.locator(".piece", has_text=prompt)).to_have_count(1)
    assert [task["prompt"] for task in stack.http.get("/tasks").json()["tasks"]].count(prompt) == 1
    row = visit.piece(prompt)
    row.get_by_role("button", name="Play").click()
    expect(row.get_by_role("button", name="Pause")).to_be_visible()
    expect(visit.page.locator(".notice.bad")).to_have_count(0)


def test_a_piece_that_is_made_meanwhile_ends_well_and_what_is_typed_stays(
    open_page: Callable[..., Visit], stack: Stack
) -> None:
    visit = open_page(allowed=ALLOWED)
    visit.make("gentle flute, slow, in E major", 10)
    visit.stage_is(re.compile("made [1-9]"))
    with away(stack):
        visit.page.locator("#prompt").fill("typed meanwhile")
        expect(visit.page.get_by_text("A part of the server is away")).to_be_visible()
    ends_well(visit, stack, "gentle flute, slow, in E major")
    expect(visit.page.locator("#prompt")).to_have_value("typed meanwhile")


def test_a_piece_that_is_asked_for_meanwhile_is_made_once_without_asking_again(
    open_page: Callable[..., Visit], stack: Stack
) -> None:
    visit = open_page(allowed=ALLOWED)
    expect(visit.page.locator(".load")).to_contain_text("1 worker")
    with away(stack):
        visit.make("sad piano, slow, in B minor", 2)
        expect(visit.page.get_by_role("button", name="Sending")).to_be_visible()
    ends_well(visit, stack, "sad piano, slow, in B minor")
    expect(visit.page.locator("#prompt")).to_have_value("sad piano, slow, in B minor")
    expect(visit.page.locator(".make .fault:not(:empty)")).to_have_count(0)
