"""POST once to a URL that somebody else chose, and return the status that came back.

Stops SSRF (server-side request forgery): a name is resolved once, each of its addresses is judged, and the
connection goes to the very address that was judged. No redirect is followed, no proxy asked, no more than a little of
the response read, and all of it ends within one deadline. Knows nothing of jobs, signatures or retries.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from housekeeping.webhooks.deadline import Deadline
from shared.errors import AddressRefused, DeliveryFailed
from shared.webhooks.addresses import is_public

RESPONSE_BYTES = 16 * 1024
Resolve = Callable[[str, int], list[Any]]  # what socket.getaddrinfo returns


@dataclass(frozen=True)
class ReceiverResponse:
    """Hold the receiver's status. `retry_after_s` is what it asks for itself, if it does."""

    status: int
    retry_after_s: float | None = None


def resolve_host(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class SafeHttpClient:
    """Post to public addresses alone. Thread safe; makes a connection for each POST."""

    def __init__(self, *, timeout_s: float, allow_private: bool, resolve: Resolve = resolve_host) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        """Send the body and return the response. Raises AddressRefused, and DeliveryFailed when no response came."""
        with Deadline(self._timeout_s) as deadline:
            try:
                return self._exchange(deadline, url, headers, body)
            except (HTTPError, OSError, ValueError) as error:
                if deadline.over:
                    raise deadline.failure() from error
                raise DeliveryFailed(_reason(error)) from error

    def _exchange(self, deadline: Deadline, url: str, headers: Mapping[str, str], body: bytes) -> ReceiverResponse:
        target = parse_url(url)
        with self._pool(deadline, target.scheme or "", target.host or "", target.port) as pool:
            response = pool.urlopen(
                "POST",
                target.request_uri,
                body=body,
                headers=dict(headers),
                retries=False,
                redirect=False,
                timeout=deadline.left_s(),
                preload_content=False,
                decode_content=False,
            )
            deadline.left_s()  # a connection that was cut among the headers looks like their end
            retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
            _drain(response)
            return ReceiverResponse(response.status, retry_after_s)

    def _pool(self, deadline: Deadline, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        """Return a pool for this one exchange, whose connections are opened by us."""

        def connect(name: str, number: int) -> socket.socket:
            return self._connect(deadline, name, number)

        if scheme == "http":
            pool = HTTPConnectionPool(host, port)
            pool.ConnectionCls = _opening(HTTPConnection, connect)
            return pool
        if self._tls is None:
            self._tls = ssl.create_default_context()
        secure = HTTPSConnectionPool(host, port, ssl_context=self._tls)
        secure.ConnectionCls = _opening(HTTPSConnection, connect)
        return secure

    def _connect(self, deadline: Deadline, host: str, port: int) -> socket.socket:
        """Connect to the first of the name's addresses that takes us. Raises AddressRefused if one is private."""
        found = deadline.run(lambda: self._resolve(host, port))
        if not self._allow_private and (private := [one[4][0] for one in found if not is_public(one[4][0])]):
            raise AddressRefused(
                f"{host} leads to the private address {private[0]}, which this server does not connect to "
                "(WEBHOOK_ALLOW_PRIVATE)"
            )
        refusal: Exception = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in found:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(deadline.left_s())
                connection.connect(address)
                deadline.watch(connection)
                return connection
            except (OSError, DeliveryFailed) as error:
                connection.close()
                refusal = error
        raise refusal


def _opening(kind: type[HTTPConnection], connect: Callable[[str, int], socket.socket]) -> Any:
    """Replace this one step, `_new_conn`, of urllib3's connection: TLS, SNI and Host go on with the name."""

    def new_conn(connection: Any) -> socket.socket:
        return connect(connection._dns_host, connection.port)

    return type(f"Checked{kind.__name__}", (kind,), {"_new_conn": new_conn})


def _drain(response: BaseHTTPResponse) -> None:
    """Read a little of the body, out of politeness. The status has said all, so nothing that happens here matters."""
    with suppress(HTTPError, OSError, ValueError):
        response.read(RESPONSE_BYTES, decode_content=False)
    response.close()


def _retry_after_s(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which has seconds or a date; None for anything else."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """Return the cause in words, without urllib3's wrapping and without whole object names."""
    cause = error.__cause__ or getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}"[:200]
