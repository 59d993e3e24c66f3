"""The page by keyboard alone, for a screen reader, on a phone and in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from stack.demo_melody import synthesise
from tests.audio_fixtures import file_of
from tests.browser.chromium import launch
from tests.page.axe import BY_AXE, faults, faults_in_both_lights
from tests.page.conftest import PHONE, REFUSALS, Visit
from tests.page.played import Played
from training.measure.rhythm import SAMPLE_RATE_HZ

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

LOOKS: list[dict[str, Any]] = [
    {},
    {"viewport": PHONE, "has_touch": True},
]
IDS = ["desktop", "phone"]


@pytest.mark.parametrize("look", LOOKS, ids=IDS)
def test_axe_finds_nothing_wrong_with_any_state(
    open_page: Callable[..., Visit], played: Played, look: dict[str, Any]
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BY_AXE, **look)
    page = visit.page
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    assert faults_in_both_lights(page) == {}
    visit.make("without end", 240)
    visit.stage_is(re.compile("made"))
    page.get_by_text("More: model, seed, format").click()
    page.get_by_role("button", name="Keys").click()
    assert faults_in_both_lights(page) == {}
    page.keyboard.press("Escape")
    if look.get("viewport") == PHONE:
        page.locator(".now-bar .title").click()
    page.locator(".now").get_by_role("button", name="Cancel").click()
    visit.make("to be opened", 1)
    visit.stage_is("Made")
    row = visit.piece("to be opened")
    row.locator(".title").click()
    for action in ("as code", "delete"):
        row.get_by_role("button", name=action).click()
        assert faults_in_both_lights(page) == {}


def test_the_key_dialog_has_no_fault_either(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, allowed=(*BY_AXE, *REFUSALS))
    expect(visit.page.get_by_label("API key")).to_be_focused()
    assert faults_in_both_lights(visit.page) == {}
    visit.page.get_by_label("API key").fill("no key")
    visit.page.get_by_role("button", name="Use this key").click()
    expect(visit.page.get_by_text("This key is unknown")).to_be_visible()
    assert faults_in_both_lights(visit.page) == {}


def test_no_panel_of_a_piece_has_a_fault_in_either_light(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BY_AXE)
    page = visit.page
    visit.make("to be opened", 1)
    visit.stage_is("Made")
    row = visit.piece("to be opened")
    row.locator(".title").click()
    expect(row.locator(".waveform > div")).to_be_visible()
    for name in ("go on from here", "download", "share", "rename", "as code", "delete"):
        row.get_by_role("button", name=name, exact=True).click()
        expect(row.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-expanded", "true")
        if name == "share":
            row.get_by_role("button", name="Make a link").click()
            expect(row.get_by_label("Link", exact=True)).to_be_visible()
        assert (name, faults_in_both_lights(page, within=row)) == (name, {})
    row.get_by_role("button", name="spectrogram").click()
    assert faults_in_both_lights(page) == {}
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert faults_in_both_lights(page) == {}


def test_a_page_that_a_link_opens_has_no_fault(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key())
    visit.make("to be shared", 1)
    visit.stage_is("Made")
    row = visit.piece("to be shared")
    row.locator(".title").click()
    row.get_by_role("button", name="share", exact=True).click()
    row.get_by_role("button", name="Make a link").click()
    path = row.get_by_label("Link", exact=True).input_value().removeprefix(played.url)
    allowed = (*BY_AXE, *REFUSALS)
    guest = open_page(path, url=played.url, allowed=allowed)
    expect(guest.page.locator("audio")).to_be_visible()
    assert faults_in_both_lights(guest.page) == {}
    row.get_by_role("button", name="withdraw").click()
    expect(row.get_by_label("Link", exact=True)).to_have_count(0)
    gone = open_page(path, url=played.url, allowed=allowed)
    expect(gone.page.get_by_role("heading")).to_have_text("This link opens nothing")
    assert faults_in_both_lights(gone.page) == {}


@pytest.mark.parametrize("look", LOOKS, ids=IDS)
def test_the_desk_has_no_fault(open_page: Callable[..., Visit], played: Played, look: dict[str, Any]) -> None:
    visit = open_page("/#/instruments", url=played.url, key=played.key(), allowed=BY_AXE, **look)
    page = visit.page
    page.locator("#piece-length").select_option("2")
    page.get_by_role("button", name="Make the piece").click()
    visit.stage_is("Made")
    row = page.locator(".piece").first
    row.locator(".title").click()
    row.get_by_role("button", name="mix", exact=True).click()
    expect(row.get_by_role("button", name="Play the mix")).to_be_enabled()
    row.get_by_role("button", name="solo: bass").click()
    assert faults_in_both_lights(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("look", LOOKS, ids=IDS)
def test_takes_beside_each_other_have_no_fault(
    open_page: Callable[..., Visit], played: Played, look: dict[str, Any]
) -> None:
    visit = open_page(url=played.url, key=played.key(), allowed=BY_AXE, **look)
    page = visit.page
    page.locator(".takes label", has_text="4").click()
    visit.make("slowly four", 10)
    expect(page.locator(".now .tile")).to_have_count(4)
    if look:
        page.locator(".now-bar .title").click()
    assert faults_in_both_lights(page) == {}
    for number in range(4):
        expect(page.locator(".now .tile").nth(number).locator(".stage")).to_have_text("Made")
    assert faults_in_both_lights(page) == {}


@pytest.fixture(scope="module")
def with_microphone(browser: Browser) -> Iterator[Browser]:
    """A browser whose microphone beeps."""
    other = launch(browser.browser_type, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    yield other
    other.close()


def test_the_melodys_editor_has_no_fault_while_it_records_and_cuts(
    with_microphone: Browser, open_page: Callable[..., Visit], played: Played, tmp_path: Path
) -> None:
    visit = open_page(by=with_microphone, url=played.url, key=played.key(), allowed=BY_AXE)
    page = visit.page
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text(re.compile("Recording 0:01")).wait_for()
    assert faults_in_both_lights(page) == {}
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("slider", name="Begin of the melody")).to_be_visible()
    assert faults_in_both_lights(page) == {}
    page.get_by_role("button", name="remove the melody").click()
    (tmp_path / "hum.wav").write_bytes(file_of(synthesise(2.0)[None], SAMPLE_RATE_HZ))
    page.get_by_label("Choose or drop a file").set_input_files(tmp_path / "hum.wav")
    page.get_by_role("button", name="Listen to it").click()
    expect(page.get_by_role("slider", name="End of the melody")).to_be_visible()
    assert faults_in_both_lights(page) == {}


def test_music_is_made_heard_and_stopped_by_keys_alone(open_page: Callable[..., Visit], played: Played) -> None:
    visit = open_page(url=played.url, key=played.key())
    page = visit.page
    page.locator("#prompt").focus()
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")
    visit.stage_is("Made")
    page.locator("#results").focus()
    pause, play = (page.locator(".now").get_by_role("button", name=name) for name in ("Pause", "Play"))
    page.keyboard.press("Space")
    expect(play.or_(pause).first).to_be_visible()
    before = pause.count()
    page.keyboard.press("Space")
    expect(play if before else pause).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("look", LOOKS, ids=IDS)
def test_nothing_is_wider_than_the_screen_and_no_target_is_too_small_to_touch(
    open_page: Callable[..., Visit], played: Played, look: dict[str, Any]
) -> None:
    visit = open_page(url=played.url, key=played.key(), **look)
    expect(visit.page.get_by_text("Nothing yet")).to_be_visible()
    wide = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    if look.get("has_touch"):
        small = visit.page.evaluate(
            "[...document.querySelectorAll('button, select, input, summary, nav a')].filter((each) =>"
            " each.offsetParent && each.getBoundingClientRect().height < 44).map((each) => each.outerHTML)"
        )
        assert [each for each in small if 'type="radio"' not in each] == []


def test_axe_finds_nothing_wrong_with_the_form_for_several_instruments(
    open_page: Callable[..., Visit], played: Played
) -> None:
    visit = open_page("/#/instruments", url=played.url, key=played.key(), allowed=BY_AXE)
    visit.page.locator(".part-name").first.fill("")
    visit.page.get_by_role("button", name="Make the piece").click()
    expect(visit.page.get_by_text("Give this instrument a name")).to_be_visible()
    assert faults(visit.page) == []
