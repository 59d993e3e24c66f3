"""The page plays one sound at a time, and a take that cannot be heard while it is made once it is made."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.page.conftest import Visit
from tests.page.played import Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

HEARD = re.compile(r"0:0[1-9] / ")


@pytest.fixture
def visit(open_page: Callable[..., Visit], played: Played) -> Visit:
    return open_page(url=played.url, key=played.key())


def test_what_is_not_streamed_is_heard_as_soon_as_it_is_made(visit: Visit) -> None:
    visit.page.get_by_text("More: model, seed, format").click()
    visit.page.locator("#loudness").fill("-14")
    visit.make("all at once", 4)
    expect(visit.page.locator(".now .take .transport > .figures")).to_contain_text(HEARD)


def test_a_piece_that_comes_late_does_not_sound_over_another_one(visit: Visit) -> None:
    page = visit.page
    for prompt in ("comes late", "the other"):
        visit.make(prompt, 10)
        visit.stage_is("Made")
    late, other = visit.piece("comes late"), visit.piece("the other")
    held: list[Route] = []
    page.route(f"**/tasks/{late.get_attribute('data-id')}/audio?*", lambda route: held.append(route))
    with page.expect_request("**/audio?*"):
        late.get_by_role("button", name="Play").click()
    other.get_by_role("button", name="Play").click()
    expect(other.get_by_role("button", name="Pause")).to_be_visible()
    with page.expect_response("**/audio?*") as answered:
        held[0].continue_()
    answered.value.finished()
    page.evaluate("new Promise((done) => setTimeout(done, 200))")  # it could sound now
    expect(late.get_by_role("button", name="Play")).to_be_visible()
    expect(other.get_by_role("button", name="Pause")).to_be_visible()


def test_space_plays_and_pauses_also_after_a_click_on_the_waveform(visit: Visit) -> None:
    visit.make("listen from here", 10)
    now = visit.page.locator(".now .take")
    expect(now.get_by_role("button", name="Pause")).to_be_visible()
    visit.stage_is("Made")
    now.get_by_role("slider", name="Where you listen").click()
    visit.page.keyboard.press("Space")
    expect(now.get_by_role("button", name="Play")).to_be_visible()
