"""Hum a melody into the page, choose files, and be told what is wrong: the microphone is a file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import soxr
from playwright.sync_api import Browser

from stack.demo_melody import synthesise
from tests.audio_fixtures import file_of
from tests.browser.chromium import launch
from tests.e2e.conftest import Stack
from tests.page.conftest import REFUSALS, Visit
from tests.page.played import Played
from training.measure.rhythm import SAMPLE_RATE_HZ
from training.measure.tonality import melody_agreement

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("page")]

LEAST_AGREEMENT = 0.6
MADE = re.compile("^Made$")
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="module")
def humming(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone hears a melody, again and again."""
    hum = tmp_path_factory.mktemp("hum") / "hum.wav"
    soundfile.write(hum, synthesise(8.0), SAMPLE_RATE_HZ, "PCM_16")
    other = launch(browser.browser_type, *FAKE, f"--use-file-for-fake-audio-capture={hum}")
    yield other
    other.close()


def wave_of(data: bytes) -> np.ndarray:
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate_hz, SAMPLE_RATE_HZ))


def uploaded(stack: Stack) -> bytes:
    """Return the melody that was sent last, as the server keeps it."""
    kept = stack.services.settings.local_storage_path.rglob("melody.flac")
    return max(kept, key=lambda path: path.stat().st_mtime).read_bytes()


def latest_takes(visit: Visit) -> list[np.ndarray]:
    """Return the four clips that were asked for together last, once they are made."""
    tasks = httpx.get(f"{visit.url}/tasks?limit=4").json()["tasks"]
    assert len({task["batch_id"] for task in tasks}) == 1
    for task in tasks:
        httpx.get(f"{visit.url}/tasks/{task['task_id']}?wait=25&since=running", timeout=30.0)
    return [wave_of(httpx.get(f"{visit.url}/tasks/{task['task_id']}/audio").content) for task in tasks]


def test_a_hummed_melody_is_cut_listened_to_and_heard_in_the_music(
    humming: Browser, open_page: Callable[..., Visit], stack: Stack
) -> None:
    visit = open_page(by=humming)
    page = visit.page
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text("Hum in 2").wait_for()
    page.get_by_text(re.compile(r"Recording 0:0[5-9] of at most 30 s")).wait_for()
    assert float(page.get_by_role("meter").get_attribute("value") or 0) > 0.35
    page.get_by_role("button", name="Done").click()
    page.get_by_role("slider", name="Begin of the melody").press("ArrowRight")
    page.get_by_role("button", name="Listen to it").click()
    page.get_by_role("button", name="Pause", exact=True).wait_for()
    page.locator(".takes label", has_text="4").click()
    visit.make("flute, slow, no drums", 4)
    visit.stage_is(MADE)
    page.get_by_text(re.compile(r"heard [3-9]\.\d s of your melody")).first.wait_for()
    hummed = wave_of(uploaded(stack))
    agreements = [melody_agreement(take, hummed) for take in latest_takes(visit)]
    assert max(agreements) >= LEAST_AGREEMENT, agreements


def test_a_part_of_a_file_is_chosen_by_dragging_on_its_waveform(
    open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = open_page()
    page = visit.page
    path = tmp_path / "long.wav"
    path.write_bytes(file_of(np.tile(synthesise(4.0), 10)[None], SAMPLE_RATE_HZ))
    page.get_by_label("Choose or drop a file").set_input_files(path)
    page.get_by_text("30.0 s").wait_for()
    box = page.locator(".trim canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10, steps=4)
    page.mouse.up()
    page.get_by_text("10.0 s").wait_for()
    page.get_by_role("button", name="remove the melody").click()
    page.get_by_role("button", name="Hum it").wait_for()


def test_what_cannot_be_heard_is_told_where_it_happened_and_nothing_typed_is_lost(
    open_page: Callable[..., Visit], tmp_path: Path
) -> None:
    visit = open_page(allowed=REFUSALS)
    page = visit.page
    page.locator("#prompt").fill("flute")
    page.get_by_role("button", name="Hum it").click()
    page.locator(".melody .fault", has_text="There is no microphone here").wait_for()
    (tmp_path / "notes.txt").write_text("no music")
    page.get_by_label("Choose or drop a file").set_input_files(tmp_path / "notes.txt")
    page.get_by_text("notes.txt").wait_for()
    page.get_by_role("button", name="Make music").click()
    page.locator("#melody-fault", has_text="audio").wait_for()
    assert page.locator("#prompt").input_value() == "flute"


def test_a_page_without_https_says_how_to_get_a_microphone(open_page: Callable[..., Visit]) -> None:
    visit = open_page(script="Object.defineProperty(window, 'isSecureContext', { value: false })")
    visit.page.get_by_role("button", name="Hum it").click()
    visit.page.locator(".melody .fault", has_text="make up ARGS=--tls").wait_for()


def test_a_refused_microphone_is_told_as_such(browser: Browser, open_page: Callable[..., Visit]) -> None:
    refusing = launch(browser.browser_type, FAKE[0], f"{FAKE[1]}=deny")
    visit = open_page(by=refusing)
    visit.page.get_by_role("button", name="Hum it").click()
    visit.page.locator(".melody .fault", has_text="may not hear the microphone").wait_for()
    refusing.close()


def test_a_microphone_that_is_allowed_after_the_recording_was_cancelled_is_let_go(
    humming: Browser, open_page: Callable[..., Visit], played: Played
) -> None:
    late = """const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = (how) => new Promise((done) => {
      window.allow = () => open(how).then((stream) => { window.given = stream; done(stream); });
    });"""
    page = open_page(by=humming, url=played.url, key=played.key(), script=late).page
    page.get_by_role("button", name="Hum it").click()
    page.get_by_text("Your browser asks whether").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Hum it").wait_for()
    page.evaluate("window.allow()")
    page.evaluate("new Promise((done) => setTimeout(done, 200))")  # the page may do something about it now
    assert page.evaluate("window.given.getTracks().map((track) => track.readyState)") == ["ended"]
    page.get_by_role("button", name="Hum it").wait_for()
