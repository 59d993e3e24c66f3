"""Open Chromium with a microphone that hears a file, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile
from playwright.sync_api import Browser

from stack.demo_melody import SAMPLE_RATE_HZ, Wave
from tests.browser.chromium import launch

DEVICE, ALLOWED = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
# the page's own microphone, and how it asked for it
WATCHED = """const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
devices.getUserMedia = async (how) => {
  window.asked = how;
  return (window.given = await open(how));
};"""
UNPLUG = """for (const track of window.given.getTracks()) {
  track.stop();
  track.dispatchEvent(new Event('ended'));  // which a page does not get of what it stops by itself
}"""


@contextmanager
def microphone_of(browser: Browser, wave: Wave, folder: Path) -> Iterator[Browser]:
    """Open another browser beside this one, whose microphone hears this."""
    heard = folder / "heard.wav"
    soundfile.write(heard, wave, SAMPLE_RATE_HZ, "PCM_16")
    other = launch(browser.browser_type, DEVICE, ALLOWED, f"--use-file-for-fake-audio-capture={heard}")
    try:
        yield other
    finally:
        other.close()
