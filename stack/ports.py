"""Find free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections. A client that keeps trying to reach a
# stopped server up there may be given that very port for itself, connect to itself and keep the server from returning.
CHOICE = range(15_000, 32_000)


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
