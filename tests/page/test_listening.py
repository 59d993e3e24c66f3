"""Listen on the page: takes beside each other, one sound at a time, parts that are looped, and how loud it is."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import DESKTOP, PHONE, Visit
from tests.page.played import Played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

LOOPED = re.compile(r"Loops \d\.\d s to \d\.\d s")
DRAWN = """(all) => all.map((one) => {
  const copy = new OffscreenCanvas(one.width, one.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(one, 0, 0);
  return copy.getImageData(0, one.height / 2 - 2, one.width, 1).data.some((value) => value > 0);
})"""  # whether a bar is higher than where nothing is known of it


@pytest.fixture
def visit(open_page: Callable[..., Visit], played: Played) -> Visit:
    return open_page(url=played.url, key=played.key())


def make_takes(visit: Visit, count: int, prompt: str, seconds: int) -> Locator:
    visit.page.locator(".takes label", has_text=str(count)).click()
    visit.make(prompt, seconds)
    tiles = visit.page.locator(".now .tile")
    expect(tiles).to_have_count(count)
    return tiles


def drag(visit: Visit, over: Locator, begin: float, end: float) -> None:
    """Drag over it from one share of its width to another."""
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    visit.page.mouse.move(box["x"] + begin * box["width"], y)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    visit.page.mouse.up()


def test_takes_stand_beside_each_other_each_with_waveform_progress_and_play(visit: Visit) -> None:
    tiles = make_takes(visit, 4, "slowly four", 10)
    for number in range(4):
        tile = tiles.nth(number)
        expect(tile.get_by_role("button", name=f"Take {number + 1}", exact=True)).to_be_visible()
        expect(tile.locator("progress")).to_be_visible()
        expect(tile.get_by_role("slider", name=f"Where you listen: Take {number + 1}")).to_be_visible()
    for number in range(4):
        expect(tiles.nth(number).locator(".stage")).to_have_text("Made")
    boxes = [tiles.nth(number).bounding_box() for number in range(4)]
    assert len({round(box["x"]) for box in boxes if box}) == 2, "two columns"
    assert len({round(box["y"]) for box in boxes if box}) == 2
    waves = visit.page.locator(".now .tile canvas")
    expect(waves).to_have_count(4)
    expect(tiles.nth(3).get_by_role("button", name="Play: Take 4")).to_be_visible()
    for _ in range(100):
        if all(waves.evaluate_all(DRAWN)):
            break
        visit.page.wait_for_timeout(100)
    assert waves.evaluate_all(DRAWN) == [True] * 4, "each take's waveform is seen though one was heard"


def test_one_take_sounds_at_a_time_and_the_keys_choose_which(visit: Visit) -> None:
    tiles = make_takes(visit, 3, "three of them", 10)
    pauses = visit.page.locator(".now").get_by_role("button", name=re.compile("^Pause"))
    expect(pauses).to_have_count(1)
    expect(tiles.nth(0).get_by_role("button", name="Pause: Take 1")).to_be_visible()
    tiles.nth(1).get_by_role("button", name="Play: Take 2").click()
    expect(tiles.nth(1).get_by_role("button", name="Pause: Take 2")).to_be_visible()
    expect(pauses).to_have_count(1)
    expect(tiles.nth(1)).to_have_class(re.compile("chosen"))
    visit.page.locator("#results").focus()
    visit.page.keyboard.press("3")
    expect(tiles.nth(2)).to_have_class(re.compile("chosen"))
    expect(tiles.nth(2).get_by_role("button", name="Pause: Take 3")).to_be_visible()
    expect(pauses).to_have_count(1)
    visit.page.keyboard.press("Space")
    expect(pauses).to_have_count(0)
    visit.page.keyboard.press("1")
    expect(tiles.nth(0)).to_have_class(re.compile("chosen"))
    expect(pauses).to_have_count(0)


def test_takes_are_stacked_on_a_phone(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), viewport=PHONE, has_touch=True)
    tiles = make_takes(visit, 2, "two on a phone", 1)
    visit.page.locator(".now-bar .title").click()
    boxes = [tiles.nth(number).bounding_box() for number in range(2)]
    assert len({round(box["x"]) for box in boxes if box}) == 1
    assert visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def looping(visit: Visit, figures: Locator, between: tuple[int, int]) -> None:
    """Listen for longer than the loop lasts: one stays within it."""
    seen = []
    for _ in range(20):
        visit.page.wait_for_timeout(150)
        minutes, seconds = figures.inner_text().split(" / ")[0].split(":")
        seen.append(60 * int(minutes) + int(seconds))
    assert set(seen) <= set(range(between[0], between[1] + 1)), seen
    assert len(seen) > len(set(seen))


def test_a_part_of_what_plays_now_is_looped_by_dragging_and_by_keys(visit: Visit) -> None:
    page = visit.page
    visit.make("round and round", 10)
    visit.stage_is("Made")
    now = page.locator(".now .take")
    drag(visit, now.get_by_role("slider", name="Where you listen"), 0.3, 0.5)
    expect(now.get_by_text(LOOPED)).to_have_text(re.compile(r"Loops [23]\.\d s to [45]\.\d s"))
    expect(now.get_by_role("button", name="Pause")).to_be_visible()
    looping(visit, now.locator(".transport > .figures"), (2, 5))
    expect(now.get_by_role("button", name="Pause")).to_be_visible()
    page.locator("#results").focus()
    page.keyboard.press("l")
    expect(now.get_by_text(LOOPED)).to_have_count(0)
    page.keyboard.press("Space")
    page.keyboard.press("[")
    expect(now.get_by_text(re.compile("Loops .* to its end"))).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    expect(now.get_by_text(LOOPED)).to_be_visible()


def test_volume_is_at_hand_where_something_plays_and_on_the_keys(visit: Visit) -> None:
    page = visit.page
    visit.make("loud and soft", 4)
    visit.stage_is("Made")
    volume = page.locator(".now").get_by_role("slider", name="Volume")
    expect(volume).to_have_value("0.8")
    page.locator("#results").focus()
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(volume).to_have_value("0.6")
    page.keyboard.press("+")
    expect(volume).to_have_value("0.7")


def test_a_piece_is_looped_and_made_softer_with_one_tap_to_play_it(visit: Visit) -> None:
    visit.make("from the list", 2)
    visit.stage_is("Made")
    row = visit.piece("from the list")
    expect(row.get_by_role("slider")).to_have_count(0)
    row.get_by_role("button", name="Play: from the list").click()
    expect(row.get_by_role("slider", name="Volume")).to_be_visible()
    drag(visit, row.get_by_role("slider", name="Where you listen: from the list"), 0.25, 0.75)
    expect(row.get_by_text(re.compile(r"Loops 0\.\d s to 1\.\d s"))).to_be_visible()
    visit.page.wait_for_timeout(2500)  # longer than all of it
    expect(row.get_by_role("button", name="Pause: from the list")).to_be_visible()
    row.locator("button.title").click()
    expect(row.locator(".waveform > div")).to_be_visible()
    expect(row.get_by_text(re.compile(r"Loops 0\.\d s to 1\.\d s"))).to_have_count(1)
    row.get_by_role("button", name="loop", exact=True).click()
    expect(row.get_by_text("Drag on the waveform")).to_be_visible()
    row.get_by_role("button", name="loop", exact=True).click()
    expect(row.get_by_text("Loops all of it")).to_be_visible()
    visit.page.wait_for_timeout(2500)
    expect(row.get_by_role("button", name="Pause: from the list")).to_be_visible()


def test_the_list_of_keys_names_looping_and_volume(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), viewport=DESKTOP)
    visit.page.get_by_role("button", name="Keys").click()
    dialog = visit.page.get_by_role("dialog")
    for text in ("loop what plays", "the loop begins here", "louder, softer", "choose a take"):
        expect(dialog.get_by_text(text)).to_be_visible()
