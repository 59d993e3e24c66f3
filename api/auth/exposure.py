"""Refuse to serve without API keys where others can reach the server: it does not start, or else lets nobody in.

Whoever wants it open to everybody says so: INSECURE=1, or `--insecure` where there is a command line.
"""

from __future__ import annotations

import ipaddress
import logging
import sys
from collections.abc import Iterable
from functools import lru_cache

from api.auth.keys import Keys
from shared.broker.connection import connect
from shared.errors import BrokerUnavailable, ConfigurationError, OstinatoError
from shared.settings import API, Settings, read_settings

log = logging.getLogger(__name__)


@lru_cache(maxsize=64)
def is_local(address: str) -> bool:
    """Return whether only this machine can reach a host, `host:port`, `[host]:port`, `unix:path` or `fd://number`."""
    if address.startswith(("unix:", "fd://")):
        return True
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, or nothing, which stands for every address


def must_have_keys(addresses: Iterable[str], settings: Settings) -> bool:
    """Return whether others can reach these addresses, which the server is bound to, and nobody said INSECURE.

    BIND_ADDRESS, where another program publishes the port, counts more.
    """
    reached = [settings.bind_address] if settings.bind_address else addresses
    return not settings.insecure and not all(map(is_local, reached))


def refuse_open(addresses: Iterable[str], settings: Settings) -> None:
    """Refuse to start when others could use the service without a key. Raises ConfigurationError.

    While the broker is away that is not known: the service starts, and lets in nobody without a key.
    """
    bound = list(addresses)
    if not must_have_keys(bound, settings):
        return
    try:
        if Keys(connect(settings), settings.api_keys).exist():
            return
    except BrokerUnavailable as error:
        log.warning("cannot tell yet whether there are API keys: %s", error)
        return
    where = settings.bind_address or ", ".join(bound)
    raise ConfigurationError(
        f"no API key exists, and {where} can be reached from other machines: whoever reaches it could use it. "
        "Make a key (python -m api.keys create --name NAME) or set API_KEYS; or bind to 127.0.0.1; or, to serve "
        "everybody without keys, say so with --insecure or INSECURE=1"
    )


def main(addresses: list[str]) -> int:
    """Return the exit status for a server that is about to start on these addresses: 0 when it may."""
    try:
        refuse_open(addresses, read_settings(API))
    except OstinatoError as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        return 2
    return 0
