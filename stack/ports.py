"""Find free TCP ports on the loopback address, and this machine's address in its network."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections. A client that keeps trying to reach a
# stopped server up there may be given that very port for itself, connect to itself and keep the server from returning.
CHOICE = range(15_000, 32_000)
NOBODY = ("192.0.2.1", 9)  # kept for documents (RFC 5737)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT counts as free, one with a listener does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that was free a moment ago; the caller must still be ready to find it taken."""
    while not is_free(port := random.SystemRandom().choice(CHOICE)):
        pass
    return port


def network_address() -> str | None:
    """Return the address by which others in its network reach this machine; None without a network.

    It is that of the route to elsewhere: connecting a datagram socket sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(NOBODY)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address
