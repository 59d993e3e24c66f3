"""Open the page in Chromium, on the real stack with the shipped model: one stack for each process of tests.

The page's policy forbids evaluating strings, so tests wait by locators and never by `wait_for_function`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, expect

from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from stack.broker import EmbeddedBroker
from stack.demo_melody import synthesise
from stack.ports import free_port
from stack.services import Services, StackSettings
from tests.api.conftest import TINY
from tests.api.served import Served, serve
from tests.browser.chromium import open_chromium
from tests.e2e.conftest import Stack
from tests.fork_server import ForkServer
from tests.page.fake_microphone import microphone_of
from tests.page.played import Played, serve_played
from tests.page.warm_contexts import WarmContexts

WAIT_MS = 30_000  # for what the model makes, on a machine with other work
REFUSALS = ("Failed to load resource: the server responded with a status of 4",)  # Chromium says so of each
# what the server does to the sound of what fails or is cancelled (docs/streaming.md), and Chromium says of it
BROKEN_OFF = ("Failed to load resource: net::ERR_INCOMPLETE_CHUNKED_ENCODING", *REFUSALS)
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def run_stack(folder: Path, fork_server: ForkServer, **environment: str) -> Iterator[Stack]:
    """Run API and broker, and a worker called `first` with models/tiny."""
    settings = StackSettings.model_construct(
        port=free_port(),
        model="tiny",
        default_model="tiny",
        model_aliases={},
        local_storage_path=folder / "audio",
        state_folder=folder,
        worker_concurrency=2,
    )
    usual = {"OMP_NUM_THREADS": "1", "WEB_CONCURRENCY": "1", "LEASE_S": "2", "SWEEP_EVERY_S": "0.5"}
    with EmbeddedBroker(folder / "broker") as broker:
        services = Services(settings, broker.url, os.environ | usual | environment, grace_s=15.0)
        stack = Stack(services, broker, fork_server)
        try:
            stack.api.start()
            stack.start_worker("first")
            stack.await_workers("first")
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Iterator[Stack]:
    with run_stack(tmp_path_factory.mktemp("page"), fork_server) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Open one browser for all tests of this folder: none of them uses asyncio.run."""
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="package")
def warm_contexts(browser: Browser) -> WarmContexts:
    return WarmContexts(browser)


@pytest.fixture(scope="package")
def humming(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Open a browser whose microphone hears a hummed melody."""
    with microphone_of(browser, synthesise(8.0), tmp_path_factory.mktemp("hum")) as other:
        yield other


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with serve_played(tmp_path_factory.mktemp("played")) as serving:
        yield serving


@pytest.fixture(scope="module")
def unlocked(broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve an API without keys that every page is named for: CORS must not open /admin all the same.

    A server that once saw a key asks for one for good.
    """
    folder = tmp_path_factory.mktemp("unlocked")
    settings = Settings(_env_file=None, redis_url=broker.url, local_storage_path=folder / "audio")
    with serve(folder, settings, DEFAULT_MODEL="tiny", CORS_ORIGINS="*") as api:
        yield api


@pytest.fixture
def worker(client: redis.Redis, settings: Settings) -> None:
    """Announce a worker to the server without keys."""
    WorkerRegistry(client, settings).announce(TINY)


@dataclass
class Visit:
    """Hold one opened page, and what a browser complains of or asks elsewhere meanwhile."""

    page: Page
    url: str
    allowed: tuple[str, ...] = ()
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    document: Response | None = None

    def watch(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _complain(self, text: str) -> None:
        if not any(words in text for words in self.allowed):
            self.complaints.append(text)

    @property
    def elsewhere(self) -> list[str]:
        """Return what was asked of another host."""
        return [url for url in self.asked if not url.startswith((self.url, "data:", "blob:"))]

    def make(self, prompt: str, seconds: int | None = None) -> None:
        """Describe it and press the button."""
        self.page.locator("#prompt").fill(prompt)
        if seconds is not None:
            self.choose_length(seconds)
        self.page.get_by_role("button", name="Make music").click()

    def choose_length(self, seconds: int) -> None:
        """Move the slider by its keys, to one of the lengths that it has."""
        slider, shown = self.page.locator("#duration"), self.page.locator("output[for=duration]")
        slider.press("Home")
        for _ in range(int(slider.get_attribute("max") or 0)):
            if shown.inner_text() == f"{seconds} s":
                break
            slider.press("ArrowRight")
        expect(shown).to_have_text(f"{seconds} s")

    def stage_is(self, text: str | re.Pattern[str]) -> None:
        """Wait until the take that is chosen is so far; on a phone that stands in a bar."""
        stage = self.page.locator(".now .take.chosen .stage")
        (expect(stage).to_have_text if isinstance(text, str) else expect(stage).to_contain_text)(text, timeout=WAIT_MS)

    def piece(self, words: str) -> Locator:
        """Return the row of the newest piece with these words."""
        return self.page.locator(".piece", has_text=words).first


@pytest.fixture
def open_page(warm_contexts: WarmContexts, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visit]]:
    """Open the page, each time in a browser that knows nothing of it, on the stack or on a server that is named.

    Its modules may be cached; not so with `by`, a browser in which nothing is. At the end nothing was complained of on
    the console, but what is `allowed`, and nothing asked of another host.
    """
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_one(
        path: str = "/",
        *,
        url: str = "",
        key: str = "",
        allowed: tuple[str, ...] = (),
        by: Browser | None = None,
        script: str = "",
        **options: Any,
    ) -> Visit:
        url, options = url or request.getfixturevalue("stack").services.url, {"viewport": DESKTOP} | options
        if by is None:
            page = warm_contexts.open_page(url, **options)
        else:
            contexts.append(by.new_context(**options))
            page = contexts[-1].new_page()
        if key:
            script += f"localStorage.setItem('ostinato.key', {json.dumps(json.dumps(key))});"
        if script:
            page.add_init_script(script)
        visits.append(visit := Visit(page, url, allowed))
        visit.watch()
        visit.document = page.goto(url + path)
        return visit

    yield open_one
    warm_contexts.take_back()
    for context in contexts:
        context.close()
    assert [visit.complaints for visit in visits if visit.complaints] == []
    assert [visit.elsewhere for visit in visits if visit.elsewhere] == []
