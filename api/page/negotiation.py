"""Tell a person's browser that opens an address from every program that asks for it."""

from __future__ import annotations

from flask import Request

HTML, XHTML, JSON = "text/html", "application/xhtml+xml", "application/json"
VARY = "Accept, Sec-Fetch-Mode"


def opens_a_page(request: Request) -> bool:
    """Return whether a browser navigates here: it likes HTML better than JSON, and says what only browsers say.

    Java's HttpURLConnection sends an Accept that begins with text/html, too.
    """
    accepted = request.accept_mimetypes
    likes_html = accepted.quality(HTML) > accepted.quality(JSON)
    navigates = request.headers.get("Sec-Fetch-Mode", "").strip().lower() == "navigate"
    return likes_html and (navigates or any(kind == XHTML and quality > 0 for kind, quality in accepted))
