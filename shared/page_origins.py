"""Write the origin of a web page (RFC 6454: scheme, host, port) in one way, so that two can be compared as text.

An origin that an operator names is one page's, or `*`: patterns are refused, since `https://*.studio.example` read as a
regular expression lets `https://xstudio.example.evil.example` in, and not the page that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

EVERY_PAGE = "*"
OPAQUE = "null"  # what a browser sends for a page from a file or in a sandbox
DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")  # not of the web alone: chrome-extension, capacitor, tauri
HOST = re.compile(r"[0-9a-z_.-]+|(?P<v6>[0-9a-f:.]*:[0-9a-f:.]*)")


def origin_of(url: str) -> str | None:
    """Return the origin that a URL belongs to, as browsers write it; None for what has none, such as `null`."""
    try:
        parts = urlsplit(url)
        host, port = HOST.fullmatch(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if host is None or not SCHEME.fullmatch(parts.scheme):
        return None
    name = f"[{host[0]}]" if host["v6"] else host[0]
    return f"{parts.scheme}://{name}" + ("" if port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def named_origins(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named pages' origins as browsers write them. Raises ValueError for what no page can have."""
    return tuple(name if name in (EVERY_PAGE, OPAQUE) else _named(name) for name in names)


def _named(name: str) -> str:
    address = name.removesuffix("/")
    origin = origin_of(address)
    _, _, host = address.partition("://")
    if origin is None or re.search(r"[/?#@\\\s]", host):
        raise ValueError(
            f"{name[:80]!r} is no page's origin: write https://studio.example or http://localhost:3000, each by its "
            f"whole name (xn-- for other letters), without a path or a pattern; {EVERY_PAGE} alone is every page"
        )
    return origin
