"""Open the page in Chromium, on the real stack with the shipped model: one stack for each process of tests.

The page's policy forbids evaluating strings, so tests wait by locators and never by `wait_for_function`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from stack.broker import EmbeddedBroker
from stack.ports import free_port
from stack.services import Services, StackSettings
from tests.e2e.conftest import Stack
from tests.fork_server import ForkServer

WAIT_MS = 30_000  # for what the model makes, on a machine with other work
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


@dataclass
class Visit:
    """Hold one opened page, and what a browser complains of or asks elsewhere meanwhile."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def _complain(self, text: str) -> None:
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
        slider = self.page.locator("#duration")
        slider.focus()
        slider.press("Home")
        while self.page.locator("output[for=duration]").inner_text() != f"{seconds} s":
            slider.press("ArrowRight")

    def stage(self, text: Any) -> None:
        """Wait until the piece that is made now is so far."""
        self.page.locator(".now .stage", has_text=text).wait_for()


@pytest.fixture
def open_page(browser: Browser, stack: Stack) -> Iterator[Callable[..., Visit]]:
    """Open the page, each time in a browser that knows nothing of it; at the end nothing was complained of."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_one(
        path: str = "/",
        *,
        url: str | None = None,
        allowed: str = "",
        by: Browser = browser,
        script: str = "",
        **options: Any,
    ) -> Visit:
        context = by.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        if script:
            context.add_init_script(script)
        visit = Visit(context.new_page(), url or stack.services.url)
        visit.watch()
        if not allowed:
            visits.append(visit)
        visit.page.goto(visit.url + path)
        return visit

    yield open_one
    for context in contexts:
        context.close()
    assert [visit.complaints for visit in visits if visit.complaints] == []
    assert [visit.elsewhere for visit in visits if visit.elsewhere] == []
