"""Open Chromium for the tests that need a browser: the one that CHROMIUM names, or that of the virtual environment.

A missing one is an error and never a skip: what only a browser can tell is otherwise told by nobody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserType, sync_playwright

from tests.browser.install import BINARY, LIBRARIES

FOLDER = Path(sys.prefix) / "chromium"
ARGUMENTS = [
    "--no-sandbox",  # which root has not
    "--disable-dev-shm-usage",  # containers have little of it
    "--autoplay-policy=no-user-gesture-required",  # nobody is there to press play
]


def command() -> tuple[Path, dict[str, str]]:
    """Return the binary, and what its environment has beside this process's own."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named), {}
    if not (FOLDER / BINARY).is_file():
        raise FileNotFoundError(f"no Chromium in {FOLDER}: run `make install-dev`, or name one with CHROMIUM")
    return FOLDER / BINARY, {"LD_LIBRARY_PATH": str(FOLDER / LIBRARIES), "FONTCONFIG_FILE": str(FOLDER / "fonts.conf")}


@contextmanager
def open_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        try:
            yield browser
        finally:
            browser.close()


def launch(kind: BrowserType, *arguments: str) -> Browser:
    """Launch Chromium with more arguments than usual, beside one that is open already."""
    binary, more = command()
    return kind.launch(executable_path=binary, args=[*ARGUMENTS, *arguments], env={**os.environ, **more})
