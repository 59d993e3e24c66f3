"""Keep pieces on the page: name them, star them, find them, go on from any second, fetch and share them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.audio_fixtures import read_back
from tests.e2e.conftest import Stack
from tests.page.conftest import REFUSALS, WAIT_MS, Visit

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def harp(stack: Stack) -> str:
    """The id of a completed task."""
    return str(stack.finish(stack.submit(prompt="slow <b> harp", duration=2, seed=1))["task_id"])


def row_of(visit: Visit, task_id: str) -> Locator:
    return visit.page.locator(f'.piece[data-id="{task_id}"]')


def opened(visit: Visit, task_id: str, action: str) -> Locator:
    """Open the piece and one of its panels."""
    row = row_of(visit, task_id)
    row.locator("button.title").click()
    row.get_by_role("button", name=action, exact=True).click()
    return row


def test_a_piece_is_named_starred_and_found_by_either(open_page: Callable[..., Visit], harp: str, stack: Stack) -> None:
    other = stack.finish(stack.submit(prompt="fast drums", duration=1, seed=2))["task_id"]
    visit = open_page()
    row = opened(visit, harp, "rename")
    row.get_by_label("Title", exact=True).fill("Rêverie")
    row.get_by_role("button", name="Save").click()
    expect(row.locator("button.title")).to_have_text("Rêverie")
    row.get_by_role("button", name="Favourite: Rêverie").click()
    expect(row.get_by_role("button", name="Favourite: Rêverie")).to_have_attribute("aria-pressed", "true")
    told = stack.http.get(f"/tasks/{harp}").json()
    assert (told["title"], told["favourite"]) == ("Rêverie", True)
    visit.page.get_by_role("searchbox").fill("REVERIE harp")
    expect(visit.page.locator(".piece")).to_have_count(1)
    visit.page.get_by_role("searchbox").fill("nothing like this")
    visit.page.get_by_text("Nothing fits.").wait_for()
    visit.page.get_by_role("searchbox").fill("")
    expect(row_of(visit, other)).to_be_visible()
    visit.page.get_by_role("button", name="★ favourites").click()
    expect(row_of(visit, other)).to_have_count(0)
    row.get_by_role("button", name="Favourite: Rêverie").click()
    expect(row).to_have_count(0)
    stack.http.patch(f"/tasks/{harp}", json={"title": None})


def test_an_open_search_takes_in_what_is_made_named_starred_and_deleted_meanwhile(
    open_page: Callable[..., Visit], stack: Stack
) -> None:
    drums = str(stack.finish(stack.submit(prompt="loud drums", duration=1, seed=3))["task_id"])
    visit = open_page()
    rows = visit.page.locator(".piece")
    expect(row_of(visit, drums)).to_be_visible()
    visit.page.get_by_role("searchbox").fill("kazoo")
    visit.page.get_by_text("Nothing fits.").wait_for()
    visit.make("a kazoo", 1)
    expect(rows).to_have_count(1)
    visit.page.get_by_role("searchbox").fill("loud drums")
    expect(row_of(visit, drums)).to_be_visible()
    row = opened(visit, drums, "rename")
    row.get_by_label("Title", exact=True).fill("Thunder")
    row.get_by_role("button", name="Save").click()
    expect(row.locator("button.title")).to_have_text("Thunder")  # its prompt still fits
    visit.page.get_by_role("searchbox").fill("thunder")
    expect(rows).to_have_count(1)
    other = open_page()
    other.page.get_by_role("searchbox").fill("kazoo")
    kazoo = other.piece("a kazoo")
    kazoo.locator("button.title").click()
    kazoo.get_by_role("button", name="rename").click()
    kazoo.get_by_label("Title", exact=True).fill("Thunder too")
    kazoo.get_by_role("button", name="Save").click()
    expect(other.piece("Thunder too")).to_be_visible()
    # what another browser did comes with the next look at the pieces, at once after a sleep
    visit.page.evaluate("document.dispatchEvent(new Event('resume'))")
    expect(rows).to_have_count(2)
    stack.http.delete(f"/tasks/{drums}?purge=1")
    visit.page.evaluate("document.dispatchEvent(new Event('resume'))")
    expect(rows).to_have_count(1)


def test_music_goes_on_from_any_second_of_a_piece(open_page: Callable[..., Visit], harp: str, stack: Stack) -> None:
    visit = open_page()
    row = opened(visit, harp, "go on from here")
    kept = row.get_by_label("Keep", exact=True)
    kept.focus()
    for _ in range(5):  # steps of a tenth of a second from its end
        kept.press("ArrowLeft")
    row.get_by_text("What comes after 1.5 s is left out").wait_for()
    row.get_by_label("Add (seconds)").fill("1")
    row.get_by_label("What comes").fill("fast drums")
    row.get_by_role("button", name="Go on", exact=True).click()
    visit.stage_is(re.compile("^Made$"))
    newest = stack.http.get("/tasks?limit=1").json()["tasks"][0]
    about = ("continue_from", "continue_at", "duration", "prompt")
    assert [newest[name] for name in about] == [harp, 1.5, 2.5, "fast drums"]
    whole, head = read_back(stack.audio(newest))[0][0], read_back(stack.audio(stack.finish(harp)))[0][0]
    assert abs(whole[:40_000] - head[:40_000]).max() < 0.01


def test_a_piece_is_fetched_in_another_format(open_page: Callable[..., Visit], harp: str) -> None:
    visit = open_page()
    row = opened(visit, harp, "download")
    with visit.page.expect_download() as download:
        row.get_by_role("button", name="flac", exact=True).click()
    assert download.value.suggested_filename == f"{harp}.flac"
    assert download.value.path().read_bytes()[:4] == b"fLaC"


def test_a_link_opens_a_player_for_somebody_else_until_it_is_withdrawn(
    open_page: Callable[..., Visit], harp: str
) -> None:
    visit = open_page()
    row = opened(visit, harp, "share")
    row.get_by_label("A link for").select_option("a day")
    row.get_by_role("button", name="Make a link").click()
    url = row.get_by_label("Link", exact=True).input_value()
    guest = open_page(url.removeprefix(visit.url))
    expect(guest.page.get_by_role("heading")).to_have_text("slow <b> harp")
    player = guest.page.locator("audio")
    player.evaluate("sound => sound.play()")
    expect(player).to_have_js_property("paused", False)
    assert player.evaluate("sound => sound.duration") == pytest.approx(2, abs=0.05)
    row.get_by_role("button", name="withdraw").click()
    expect(row.get_by_label("Link", exact=True)).to_have_count(0)
    gone = open_page(url.removeprefix(visit.url), allowed=REFUSALS)
    expect(gone.page.get_by_role("heading")).to_have_text("This link opens nothing")
