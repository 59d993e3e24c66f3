"""Write the HTML of the page and the policy that it is sent with: nothing from elsewhere, nothing inline but by hash.

Every address in it is relative to the page's own, so it works below any path of a proxy's. The import map is let in by
its hash. wavesurfer.js makes a style element, for which each response has a nonce of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from string import Template

from flask import Response

from api.page.page_files import PageFiles

MISSING = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ostinato</title>
<h1>Ostinato runs; its page is not installed</h1>
<p>The libraries that the page is built on come from the npm registry, which could not be reached when Ostinato was
installed. Run <code>make install</code> where it can be, then start Ostinato again. All else works:
<a href="docs/">the API's description</a> is here too.</p>
""")
ENTRY = "main.js"


def render_page(files: PageFiles | None, store_origin: str | None, entry: str = ENTRY) -> Response:
    """Return the page, which runs the module `entry`; without its files, one that says how to get them.

    `store_origin`: where audio may lie beside this server.
    """
    if files is None:
        return html_response(MISSING.substitute(), "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
    nonce, imports = secrets.token_urlsafe(16), json.dumps({"imports": files.imports})
    preloads = "\n    ".join(f'<link rel="modulepreload" href="{address}">' for address in files.needed_by(entry))
    html = Template(files.template).substitute(
        own=files.own_address, entry=entry, imports=imports, nonce=nonce, preloads=preloads
    )
    return html_response(html, policy(imports, nonce, store_origin))


def policy(imports: str, nonce: str, store_origin: str | None) -> str:
    """Return the Content-Security-Policy (CSP 3) of a page with that import map."""
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    elsewhere = f" {store_origin}" if store_origin else ""
    directives = {
        "default-src": "'none'",
        "script-src": f"'self' 'sha256-{digest}'",
        "style-src": f"'self' 'nonce-{nonce}'",
        "img-src": "'self' blob: data:",
        "media-src": f"'self' blob:{elsewhere}",
        "connect-src": f"'self' blob:{elsewhere}",
        "worker-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def html_response(html: str, content_policy: str, status: int = 200) -> Response:
    """Return a document with its policy, which is kept by nobody and tells no other site its address."""
    headers = {
        "Content-Security-Policy": content_policy,
        "Cache-Control": "no-store",  # its nonce is for once
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return Response(html, status, content_type="text/html; charset=utf-8", headers=headers)
