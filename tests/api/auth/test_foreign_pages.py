"""A foreign page in a real browser, and one whose name was rebound to this machine, against a server without keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from playwright.sync_api import Browser, Page

from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from tests.api.conftest import TINY
from tests.api.served import Served, SharedApi
from tests.browser.pages import Pages, serve_pages

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("served")]

SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]  # sent without a preflight
ASK = """async ({ url, how }) => {
  try {
    const answer = await fetch(url, how);
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    return { error: error.name };
  }
}"""
SUBMIT_FORM = """(url) => {
  document.body.innerHTML = `<form method=post action="${url}" enctype="text/plain"><input name=prompt value=x>`;
  document.querySelector('form').submit();
}"""
LISTEN = """(url) => new Promise((told) => {
  const source = new EventSource(url);
  source.onopen = () => told('open');
  source.onerror = () => (source.close(), told('error'));
})"""
CONNECT = """(url) => new Promise((told) => {
  const socket = new WebSocket(url);
  socket.onopen = () => told('open');
  socket.onerror = () => told('error');
})"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    with serve_pages(tmp_path_factory.mktemp("pages")) as served:
        yield served


@pytest.fixture
def settings(shared_settings: Settings) -> Settings:
    return shared_settings


@pytest.fixture
def served(shared_api: SharedApi, client: redis.Redis, settings: Settings) -> Served:
    WorkerRegistry(client, settings).announce(TINY)
    return shared_api.served


def test_a_foreign_page_makes_nothing_and_reads_nothing_and_neither_does_a_rebound_name(
    browser: Browser, pages: Pages, served: Served, store: JobStore, client: redis.Redis
) -> None:
    body = '{"prompt": "x"}'
    with browser.new_page() as page:
        page.goto(pages.origin)
        for kind in (*SIMPLE, "application/json"):
            for mode in ("cors", "no-cors"):
                how = {"method": "POST", "mode": mode, "body": body, "headers": {"Content-Type": kind}}
                page.evaluate(ASK, {"url": f"{served.url}/tasks", "how": how})
        assert page.evaluate(ASK, {"url": f"{served.url}/tasks", "how": {}}) == {"error": "TypeError"}
        assert page.evaluate(ASK, {"url": f"{served.url}/health/live", "how": {}})["status"] == 200
        task = served_task(served, page)
        assert page.evaluate(LISTEN, f"{served.url}/tasks/{task}/events") == "error"
        assert page.evaluate(CONNECT, f"{served.url}/ws/stream".replace("http", "ws")) == "error"
        with page.expect_navigation():
            page.evaluate(SUBMIT_FORM, f"{served.url}/tasks")
        assert "pages may" in page.content()
    rebound = f"http://evil.localhost:{served.port}"  # browsers resolve it to this machine, as a rebound name
    with browser.new_page() as page:
        page.goto(f"{rebound}/health/live")
        how = {"method": "POST", "body": body, "headers": {"Content-Type": "application/json"}}
        assert page.evaluate(ASK, {"url": "/tasks", "how": how})["status"] == 403
        assert page.evaluate(ASK, {"url": f"/tasks/{task}", "how": {}})["status"] == 403
    assert store.reader.count("local") == 1, "the one that a program submitted"
    with browser.new_page() as page:
        page.goto(f"{served.url}/docs/")
        assert page.evaluate(ASK, {"url": "/tasks", "how": how})["status"] == 202, "the server's own page"


def served_task(served: Served, page: Page) -> str:
    """Submitted by a program: this is not the page's own request."""
    made = page.context.request.post(f"{served.url}/tasks", data={"prompt": "mine"})
    assert made.status == 202, made.text()
    return str(made.json()["task_id"])
