"""Refuse what a foreign web page asks of a server that has no API key (CSRF, DNS rebinding).

Any page that is open in a browser on this machine can send requests to a server on localhost, and a page whose name
is made to resolve to 127.0.0.1 is even of the same origin. A browser says which page asks (Origin, Sec-Fetch-Site) and
under which name it asks (Host), and a page can forge neither; programs send no Origin. Once keys exist nothing of this
is needed: a page that has no key gets nothing.
"""

from __future__ import annotations

import re
import socket
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import psutil
from flask import Request

from api.http.websocket import wants_upgrade
from shared.errors import Forbidden
from shared.page_origins import EVERY_PAGE, origin_of
from shared.settings import Settings
from shared.webhooks.hostnames import is_local_name

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, 9.2.1; no route changes anything by them
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?", re.I)
LOOPBACK_KEPT = 64  # ways to write a loopback address
ADDRESSES_KEPT_S = 10.0  # a machine's addresses change now and then
FOREIGN_SITES = frozenset({"cross-site", "same-site"})

Address = IPv4Address | IPv6Address


class NamedPages:
    """Judge whether CORS_ORIGINS names a page: it names each by its full origin, or all as `*`."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.cors_origins)

    @property
    def any(self) -> bool:
        return bool(self._origins)

    def includes(self, origin: str) -> bool:
        """Return whether a page of that origin is named."""
        return EVERY_PAGE in self._origins or (origin_of(origin) or origin) in self._origins


class OriginGuard:
    """Judge each request to a server without keys. One per process."""

    def __init__(self, settings: Settings) -> None:
        self._pages = NamedPages(settings)
        self._machine = Machine(settings)
        self._public = origin_of(settings.public_url) if settings.public_url else None

    def expect_own(self, request: Request) -> None:
        """Refuse another name than this machine's, and to change something also a foreign page. Raises Forbidden."""
        origin = request.headers.get("Origin")
        if origin is not None and self._pages.includes(origin):
            return
        self._expect_own_name(request)
        if changes_something(request):  # what is only read, a page can read where CORS allows it: api/auth/cors.py
            self._expect_own_page(request, origin)

    def is_own(self, request: Request) -> bool:
        """Return whether a program asks, or a page that might change something, under a name of this machine."""
        try:
            self._expect_own_name(request)
            self._expect_own_page(request, request.headers.get("Origin"))
        except Forbidden:
            return False
        return True

    def _expect_own_page(self, request: Request, origin: str | None) -> None:
        """Refuse what a foreign page asks. Raises Forbidden."""
        if origin is None:
            if request.headers.get("Sec-Fetch-Site", "").lower() in FOREIGN_SITES:
                raise _foreign("a page of another site")
            return
        page = origin_of(origin)
        if page is None or page not in (self._own_origin(request), self._public):
            raise _foreign(f"a page of {origin[:100]!r}")

    def _expect_own_name(self, request: Request) -> None:
        """Refuse a foreign Host. Programs of HTTP/1.0 may name none; a browser always does. Raises Forbidden."""
        asked = request.environ.get("HTTP_HOST")
        if asked is None:
            return
        found = HOST.fullmatch(asked)
        if found is None or not self._machine.is_called(found[1]):
            raise Forbidden(
                f"this request names the host {asked[:100]!r}, which is no name of this machine. While no API key "
                "exists that could be a web page (DNS rebinding): use localhost or this machine's address, name that "
                "host in PUBLIC_URL, or make a key (python -m api.keys create --name NAME)"
            )

    @staticmethod
    def _own_origin(request: Request) -> str | None:
        return origin_of(f"{request.scheme}://{request.environ.get('HTTP_HOST', '')}")


class Machine:
    """Know the names that this machine is reached under."""

    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_url or "").hostname or ""
        host = socket.gethostname().lower()
        self._names = {"localhost", host, f"{host.partition('.')[0]}.local", public} - {""}
        self._serves_others = settings.insecure
        self._addresses: frozenset[Address] = frozenset()
        self._read_at = -ADDRESSES_KEPT_S
        self._loopback: set[str] = set()  # hosts as they were written, judged before: nearly every request has one

    def is_called(self, host: str) -> bool:
        """Return whether a host of a request is this machine.

        One that serves everybody (INSECURE=1) cannot know all its names: any address will do then, and any name that
        stands in no public DNS, since no page from elsewhere can have such a one resolve to it.
        """
        if host in self._loopback:
            return True
        name = host.lower().removesuffix(".")
        if name in self._names:
            return True
        try:
            address = ip_address(name.strip("[]"))
        except ValueError:
            return self._serves_others and is_local_name(name)
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback and len(self._loopback) < LOOPBACK_KEPT:
            self._loopback.add(host)
        return address.is_loopback or self._serves_others or address in self._own_addresses()

    def _own_addresses(self) -> frozenset[Address]:
        if time.monotonic() - self._read_at > ADDRESSES_KEPT_S:
            self._read_at = time.monotonic()
            self._addresses = frozenset(_interface_addresses())
        return self._addresses


def changes_something(request: Request) -> bool:
    """Return whether a request does more than read, by its method, or by opening a WebSocket."""
    return request.method not in SAFE_METHODS or wants_upgrade(request.environ)


def _interface_addresses() -> list[Address]:
    families = (socket.AF_INET, socket.AF_INET6)
    found = [one for each in psutil.net_if_addrs().values() for one in each if one.family in families]
    return [ip_address(one.address.partition("%")[0]) for one in found]


def _foreign(who: str) -> Forbidden:
    return Forbidden(
        f"{who} asks for this, and while no API key exists only this server's own pages may: name the page's origin in "
        "CORS_ORIGINS. Programs send no Origin and are served"
    )
