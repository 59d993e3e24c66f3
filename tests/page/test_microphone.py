"""Each state of the microphone on the page: asked, refused, absent, busy, silent, lost, counted in, at its longest."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from stack.demo_melody import SAMPLE_RATE_HZ, synthesise
from tests.audio_fixtures import silence
from tests.browser.chromium import launch
from tests.page.conftest import Visit
from tests.page.fake_microphone import ALLOWED, DEVICE, UNPLUG, WATCHED, microphone_of
from tests.page.played import Played

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

BEAT_MS = 600
QUIET = 0.03  # of the usual level: most of what is sung to a microphone far away, without gain control
AS_IT_IS = ["echoCancellation", "noiseSuppression", "autoGainControl"]
LATE = """const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
devices.getUserMedia = (how) => new Promise((done) => {
  window.allow = () => open(how).then((stream) => { window.given = stream; done(stream); });
});"""
BUSY = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('in use', 'NotReadableError'); };"
INSECURE = "Object.defineProperty(window, 'isSecureContext', { value: false });"
Open = Callable[..., Page]


@pytest.fixture
def open_page_at(open_page: Callable[..., Visit], played: Played) -> Open:
    """Open the page with something typed already."""

    def open_one(by: Browser | None = None, script: str = "") -> Page:
        page = open_page(by=by, url=played.url, key=played.key(), script=script).page
        page.locator("#prompt").fill("flute")
        return page

    return open_one


def record(page: Page, seconds: int) -> None:
    """Record at least so many seconds."""
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text(re.compile(rf"Recording 0:0[{seconds}-9] of at most 30 s")).wait_for()


def is_told(page: Page, sentence: str) -> None:
    """Wait for the one sentence that says what is wrong; what was typed is there, and it can be tried again."""
    expect(page.locator(".melody .fault", has_text=sentence)).to_have_count(1)
    expect(page.get_by_role("button", name="Hum it")).to_be_visible()
    assert page.locator("#prompt").input_value() == "flute"


def test_the_microphone_is_taken_as_it_is(humming: Browser, open_page_at: Open) -> None:
    page = open_page_at(humming, WATCHED)
    record(page, 1)
    asked = page.evaluate("window.asked.audio")
    settings = page.evaluate("window.given.getAudioTracks()[0].getSettings()")
    assert [asked[name] for name in AS_IT_IS] == [settings[name] for name in AS_IT_IS] == [False] * 3


def test_somebody_is_asked_then_counted_in_and_sees_how_loud_the_microphone_hears(
    humming: Browser, open_page_at: Open
) -> None:
    page = open_page_at(humming, LATE)
    page.clock.install(time=0)
    page.clock.pause_at(60)
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text("Your browser asks whether this page may hear the microphone").wait_for()
    page.evaluate("window.allow()")
    for number in (3, 2, 1):
        expect(page.locator(".recording [role=status]")).to_have_text(f"Hum in {number}")
        assert page.get_by_role("meter").count() == 0
        page.clock.run_for(BEAT_MS)
    page.get_by_text("Recording 0:00 of at most 30 s").wait_for()
    page.clock.resume()
    expect(page.get_by_role("meter", name="How loud the microphone hears you")).to_have_attribute(
        "value", re.compile(r"0\.[6-9]")
    )


def test_a_recording_ends_by_itself_after_30_s(humming: Browser, open_page_at: Open) -> None:
    page = open_page_at(humming)
    page.clock.install()
    record(page, 1)
    page.clock.fast_forward(27_000)
    page.get_by_text(re.compile("Recording 0:2[89] of at most 30 s")).wait_for()
    page.clock.fast_forward(2_000)
    page.get_by_role("button", name="Listen to it").wait_for()
    expect(page.locator(".given", has_text="Your melody")).to_have_count(1)


def test_a_hum_that_is_far_from_the_microphone_is_a_melody(
    browser: Browser, open_page_at: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with microphone_of(browser, QUIET * synthesise(8.0), tmp_path_factory.mktemp("quiet")) as far:
        page = open_page_at(far)
        record(page, 1)
        page.get_by_role("button", name="Done").click()
        page.get_by_role("button", name="Listen to it").wait_for()


def test_a_microphone_that_hears_nothing_is_told_as_such(
    browser: Browser, open_page_at: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nothing = silence(2.0, rate_hz=SAMPLE_RATE_HZ)[0]
    with microphone_of(browser, nothing, tmp_path_factory.mktemp("silent")) as muted:
        page = open_page_at(muted)
        record(page, 1)
        page.get_by_role("button", name="Done").click()
        is_told(page, "The microphone heard nothing. Is it muted")


def test_what_was_heard_before_the_microphone_was_unplugged_is_kept(humming: Browser, open_page_at: Open) -> None:
    page = open_page_at(humming, WATCHED)
    record(page, 1)
    page.evaluate(UNPLUG)
    page.get_by_text("kept until the microphone was lost").wait_for()
    page.get_by_role("button", name="Listen to it").wait_for()
    expect(page.locator(".melody .fault").first).to_be_empty()


def test_a_microphone_that_is_unplugged_before_it_heard_anything_is_told_as_such(
    humming: Browser, open_page_at: Open
) -> None:
    page = open_page_at(humming, WATCHED)
    page.clock.install(time=0)
    page.clock.pause_at(60)
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text("Hum in 3").wait_for()
    page.evaluate(UNPLUG)
    is_told(page, "The microphone was lost before it heard anything")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", "There is no microphone here. Choose a file instead."),
        (BUSY, "The microphone could not be opened; perhaps another program has it"),
        (INSECURE, "make up ARGS=--tls"),
    ],
    ids=["absent", "busy", "without https"],
)
def test_a_microphone_that_cannot_be_had_is_told_as_such(script: str, sentence: str, open_page_at: Open) -> None:
    page = open_page_at(script=script)
    page.get_by_role("button", name="Hum it").click()
    is_told(page, sentence)


def test_a_refused_microphone_is_told_as_such(browser: Browser, open_page_at: Open) -> None:
    refusing = launch(browser.browser_type, DEVICE, f"{ALLOWED}=deny")
    page = open_page_at(refusing)
    page.get_by_role("button", name="Hum it").click()
    is_told(page, "may not hear the microphone")
    refusing.close()


def test_a_microphone_that_is_allowed_after_the_recording_was_cancelled_is_let_go(
    humming: Browser, open_page_at: Open
) -> None:
    page = open_page_at(humming, LATE)
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text("Your browser asks whether").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Hum it").wait_for()
    page.evaluate("window.allow()")
    page.evaluate("new Promise((done) => setTimeout(done, 200))")  # the page may do something about it now
    assert page.evaluate("window.given.getTracks().map((track) => track.readyState)") == ["ended"]
    page.get_by_role("button", name="Hum it").wait_for()
