"""A machine sleeps while a piece is made and ends: the page finds all of it when it wakes, once, and it sounds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import launch
from tests.page.conftest import Visit
from tests.page.forgetful_network import forgetful_network
from tests.page.played import Played
from tests.stack.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

PIECE_S = 60  # made in eight seconds or more
SLEPT_S = 6.0  # the page takes five for a sleep
POSITION = re.compile(r"0:0[1-9] / ")


@contextmanager
def frozen(page: Page) -> Iterator[None]:
    """Freeze the page, as browsers do with those that nobody sees: no timer runs and no answer is read."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    yield
    session.send("Page.setWebLifecycleState", {"state": "active"})


@dataclass(frozen=True)
class OwnBrowser:
    """Hold a browser that can be stopped without stopping other tests'."""

    browser: Browser
    roots: list[psutil.Process]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        processes = [each for root in self.roots for each in (root, *root.children(recursive=True))]
        for each in processes:
            each.suspend()
        yield
        for each in processes:
            each.resume()


@pytest.fixture
def own_browser(browser: Browser) -> Iterator[OwnBrowser]:
    this = psutil.Process()
    before = set(this.children(recursive=True))
    other = launch(browser.browser_type)
    launched = set(this.children(recursive=True)) - before
    yield OwnBrowser(other, [each for each in launched if each.parent() not in launched])
    other.close()


def requests_for(visit: Visit, what: str) -> int:
    return len([url for url in visit.asked if re.search(f"/tasks/[^/]+/{what}", url)])


def slept_through(visit: Visit, sleeps: Callable[[], None]) -> None:
    """Make a piece, have the machine sleep until it has ended, and see that nothing is missing and nothing twice."""
    now = visit.page.locator(".now .take")
    visit.make("over night", PIECE_S)
    visit.stage_is(re.compile(r"made [1-9]"))
    expect(now.locator(".transport > .figures")).to_contain_text(POSITION)
    opened = {what: requests_for(visit, what) for what in ("events", "stream")}
    sleeps()
    visit.stage_is("Made")
    for what, times in opened.items():
        assert requests_for(visit, what) <= times + 1, f"each is opened once more, not twice: {what}"
    expect(visit.page.locator(".piece", has_text="over night")).to_have_count(1)
    place = now.get_by_role("slider", name="Where you listen")
    at = place.get_attribute("aria-valuenow") or ""
    expect(now.get_by_role("button", name="Pause")).to_be_visible()  # it sounds on by itself
    expect(place).not_to_have_attribute("aria-valuenow", at)
    for key in ("End", "ArrowLeft"):
        place.press(key)
    expect(place).to_have_attribute("aria-valuenow", str(PIECE_S - 1))
    now.get_by_role("button", name="Play").click()
    expect(now.locator(".transport > .figures")).to_have_text("1:00 / 1:00")
    expect(now.get_by_role("button", name="Play")).to_be_visible()


def await_end(played: Played, key: str) -> None:
    def has_ended() -> bool:
        page = httpx.get(f"{played.url}/tasks?limit=1", headers={"Authorization": f"Bearer {key}"}).json()
        return bool(page["tasks"][0]["status"] == "completed")

    since = time.monotonic()
    assert wait_for(has_ended, 60.0)
    time.sleep(max(0.0, SLEPT_S - (time.monotonic() - since)))


def test_a_page_that_was_frozen_while_a_piece_ended_has_all_of_it(
    open_page: Callable[..., Visit], played: Played
) -> None:
    key = played.key()
    visit = open_page(url=played.url, key=key)

    def sleeps() -> None:
        with frozen(visit.page):
            await_end(played, key)

    slept_through(visit, sleeps)


def test_a_machine_that_slept_while_a_piece_ended_has_all_of_it_though_its_connections_are_dead(
    own_browser: OwnBrowser, open_page: Callable[..., Visit], played: Played
) -> None:
    key = played.key()
    with forgetful_network(played.api.port) as network:
        visit = open_page(url=network.url, key=key, by=own_browser.browser)

        def sleeps() -> None:
            with own_browser.stopped():
                network.forget()
                await_end(played, key)

        slept_through(visit, sleeps)
