"""Write the HTML of what a shared link opens: a title and a player, or the sentence that says why not. No script."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from string import Template

from flask import Response
from markupsafe import escape

from api.page.document import html_response

STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.6 system-ui, sans-serif; }
body { display: grid; min-height: 100svh; margin: 0; place-content: center; padding: 1rem; box-sizing: border-box; }
main { width: min(32rem, 100vw - 2rem); }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 .25rem; overflow-wrap: anywhere; }
p { margin: 0; opacity: .85; }
audio { width: 100%; margin: 1.25rem 0; }
"""
DOCUMENT = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
$content
</main>
</body>
</html>
""")
PLAYER = Template("""<p>$seconds seconds of music, made with Ostinato</p>
<audio controls preload="metadata" src="$address"></audio>
<p>This link works until <time datetime="$iso">$until</time>.</p>""")


def render_shared(title: str, duration_s: float, address: str, expires_at: float) -> Response:
    """Return the page of a shared clip; `address` is that of its audio, relative to the page's."""
    ends = datetime.fromtimestamp(expires_at, UTC)
    about = {"seconds": f"{duration_s:.0f}", "address": escape(address), "iso": ends.isoformat(timespec="seconds")}
    content = PLAYER.substitute(about, until=f"{ends.day} {ends:%B %Y, %H:%M} UTC")
    return _render(title, content, "media-src 'self'; ")


def render_sentence(title: str, sentence: str, status: int) -> Response:
    """Return the page that says in one sentence why a link opens nothing."""
    return _render(title, f"<p>{escape(sentence)}</p>", "", status)


def _render(title: str, content: str, sources: str, status: int = 200) -> Response:
    html = DOCUMENT.substitute(title=escape(title), style=STYLE, content=content)
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    rest = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    response = html_response(html, f"default-src 'none'; {sources}style-src 'sha256-{digest}'; {rest}", status)
    response.headers["X-Robots-Tag"] = "noindex"
    return response
