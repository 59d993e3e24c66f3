"""Lend contexts of one browser to one test after the other: they keep the files that are cached, and nothing else.

Half of what opening the page costs is fetching and compiling its modules, which have their content in their addresses:
who opens it again has them all. What a page stores is removed before the next one, so that it knows of nobody.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page


class WarmContexts:
    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[BrowserContext]] = defaultdict(list)
        self._lent: list[tuple[str, BrowserContext]] = []

    def open_page(self, url: str, **options: Any) -> Page:
        """Open an empty page in a context with these options that knows nothing of that server."""
        kind = repr(sorted(options.items()))
        context = self._free[kind].pop() if self._free[kind] else self._browser.new_context(**options)
        self._lent.append((kind, context))
        page = context.new_page()
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
        return page

    def take_back(self) -> None:
        """Close all pages that were opened, and let others have their contexts."""
        for kind, context in self._lent:
            for page in context.pages:
                page.close()
            self._free[kind].append(context)
        self._lent.clear()
