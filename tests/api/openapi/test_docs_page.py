"""The page at /docs in a browser, with a key."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, Page

from shared.settings import Settings
from tests.api.served import serve

pytestmark = pytest.mark.slow

KEY = "the-key"


def try_models(page: Page) -> str:
    """The status that the page shows for GET /models."""
    models = page.locator(".opblock[id$=-listModels]")
    models.wait_for()
    if "is-open" not in (models.get_attribute("class") or ""):  # it stays open over a reload
        models.locator(".opblock-summary").click()
    models.get_by_role("button", name="Try it out").click()
    models.get_by_role("button", name="Execute").click()
    status = models.locator(".live-responses-table .response-col_status").last
    status.wait_for()
    return status.inner_text()


def test_the_page_keeps_its_key_over_a_reload_and_shows_it_in_no_address(
    browser: Browser, client: redis.Redis, settings: Settings, tmp_path: Path
) -> None:
    with serve(tmp_path, settings, API_KEYS=KEY) as api, browser.new_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{api.url}/docs/")
        assert "401" in try_models(page)
        page.get_by_role("button", name="Authorize").first.click()
        scheme = page.locator(".auth-container", has_text="X-API-Key")
        scheme.locator("input").fill(KEY)
        scheme.get_by_role("button", name="Apply credentials").click()
        page.reload()
        assert "200" in try_models(page)
        assert not [url for url in asked if KEY in url]
        assert KEY not in api.program.log_path.read_text()
