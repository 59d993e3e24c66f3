"""Let nobody but operators into /admin while no API key exists: by where a request comes from, since no key can tell.

Stricter than the guard of all other routes (origin_guard.py), which lets in whoever reaches the server, and the pages
that CORS_ORIGINS names: here somebody could make keys. Once keys exist a key with the scope `admin` decides.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from flask import Request

from api.auth.exposure import is_local
from api.auth.origin_guard import FOREIGN_SITES, changes_something
from shared.errors import Forbidden
from shared.page_origins import origin_of
from shared.settings import Settings

ADMIN_HEADER = "X-Ostinato-Admin"  # no page can send it across origins without asking first (CORS), and none may
OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.I)
# what proxies, gateways and networks in front of servers add, as WSGI names it
FORWARDING = frozenset(
    f"HTTP_{name}"
    for name in (
        *("FORWARDED", "FORWARDED_FOR", "VIA", "X_REAL_IP", "X_CLIENT_IP", "CLIENT_IP", "X_CLUSTER_CLIENT_IP"),
        *("TRUE_CLIENT_IP", "FASTLY_CLIENT_IP", "X_PROXYUSER_IP", "CDN_LOOP", "X_SCHEME", "X_REWRITE_URL"),
    )
)
FORWARDING_FAMILIES = tuple(
    f"HTTP_{name}_" for name in ("X_FORWARDED", "X_ORIGINAL", "X_ENVOY", "CF", "X_AZURE", "X_AMZN", "X_GOOG", "FLY")
)
REMEDY = "make an operator's key (python -m api.keys create --admin --name NAME) and send that"


class AdminGuard:
    """Judge each request for /admin while no key exists. One per process."""

    def __init__(self, settings: Settings) -> None:
        published = settings.public_url, settings.bind_address and not is_local(settings.bind_address)
        self._is_published = any(published)

    def expect_operator(self, request: Request) -> None:
        """Refuse whoever does not sit at this machine, and to change something whatever is not its own page or client.

        Raises Forbidden.
        """
        if why := self._elsewhere(request.environ):
            raise Forbidden(f"{why}. While no API key exists, /admin is for whoever sits at this machine: {REMEDY}")
        host = request.environ.get("HTTP_HOST", "")
        if OWN_HOST.fullmatch(host) is None:
            raise Forbidden(
                f"this request names the host {host[:100]!r}. While no API key exists, /admin answers to localhost, "
                f"127.0.0.1 and [::1] alone: use one of these, or {REMEDY}"
            )
        self._expect_own_page(request, f"{request.scheme}://{host}")

    def _elsewhere(self, environ: dict[str, Any]) -> str | None:
        """Say by what a request may come from elsewhere; None where it comes from this machine."""
        if self._is_published:
            return "PUBLIC_URL or BIND_ADDRESS says that others reach this server"
        if not _is_loopback(environ.get("REMOTE_ADDR", "")):
            return "this request comes from another address than this machine's own"
        if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            return "this request is of HTTP/1.0, which no browser sends: a proxy seems to pass it on"
        for name in environ:
            if name in FORWARDING or name.startswith(FORWARDING_FAMILIES):
                return f"this request was passed on by a proxy ({name[5:].replace('_', '-').title()})"
        return None

    @staticmethod
    def _expect_own_page(request: Request, own: str) -> None:
        """Refuse foreign pages; for a change, whatever does not say that it is none. Raises Forbidden."""
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "").lower()
        navigates = request.headers.get("Sec-Fetch-Mode", "").lower() == "navigate" and request.method == "GET"
        if (origin is not None and origin_of(origin) != origin_of(own)) or (site in FOREIGN_SITES and not navigates):
            raise Forbidden(
                f"a page of {(origin or 'another site')[:100]!r} asks for this, and none but /admin itself may"
            )
        if changes_something(request) and (origin is None or ADMIN_HEADER not in request.headers):
            raise Forbidden(
                f"while no API key exists a change needs the headers Origin: {own} and {ADMIN_HEADER}: 1, which tell "
                f"operators from web pages; send both, or {REMEDY}"
            )


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False  # a socket of this machine: whoever passes that on is not known
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
