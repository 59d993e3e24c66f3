"""Lend contexts of one browser to one test after the other: they keep the files that are cached, and nothing else.

Half of what opening the page costs is fetching and compiling its modules, which have their content in their addresses:
who opens it again has them all. An empty page of the server stays open in each context and keeps the process of its
pages, which costs a seventh of a second to begin. What a page stores is removed before the next one, so that it
knows of nobody.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

ONE_PROCESS = "--process-per-site"  # for all pages of one context
EMPTY = "/health/live"


class WarmContexts:
    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[BrowserContext]] = defaultdict(list)
        self._lent: list[tuple[str, BrowserContext]] = []

    def open_page(self, url: str, **options: Any) -> Page:
        """Open an empty page in a context with these options that knows nothing of that server."""
        kind = repr(sorted(options.items()))
        context = self._free[kind].pop() if self._free[kind] else self._make(url, options)
        self._lent.append((kind, context))
        page = context.new_page()
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
        return page

    def take_back(self) -> None:
        """Close all pages that were opened, and let others have their contexts."""
        for kind, context in self._lent:
            for page in context.pages[1:]:
                page.close()
            self._free[kind].append(context)
        self._lent.clear()

    def _make(self, url: str, options: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(**options)
        context.new_page().goto(url + EMPTY)
        return context
