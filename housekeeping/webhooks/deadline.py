"""End a whole exchange within one span of time, also with a peer that sends a byte now and then.

A socket's own timeout starts again with each byte. This one shuts the connection at its end, whoever is reading it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from shared.errors import DeliveryFailed

T = TypeVar("T")


class Deadline:
    """Watch connections as a context manager: at its exit nothing is watched any more."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._ends_at = time.monotonic() + span_s
        self._watched: list[tuple[socket.socket, threading.Timer]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for twin, timer in self._watched:
            timer.cancel()
            timer.join()
            twin.close()

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._ends_at

    def left_s(self) -> float:
        """Return the seconds that are left. Raises DeliveryFailed when none are."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise self.failure()
        return left_s

    def failure(self) -> DeliveryFailed:
        return DeliveryFailed(f"no answer within {self._span_s:g} s (WEBHOOK_TIMEOUT_S)")

    def watch(self, connection: socket.socket) -> None:
        """Shut the connection when the time is over. A twin is kept, because TLS takes the socket itself away."""
        twin = connection.dup()
        timer = threading.Timer(self.left_s(), _shut, (twin,))
        timer.daemon = True
        self._watched.append((twin, timer))
        timer.start()

    def run(self, action: Callable[[], T]) -> T:
        """Return or raise what `action` does, if it does so in time. Raises DeliveryFailed otherwise.

        It may go on unheard then: names are resolved without any timeout of their own.
        """
        results: list[T] = []
        errors: list[Exception] = []

        def act() -> None:
            try:
                results.append(action())
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=act, name="lookup", daemon=True)
        thread.start()
        thread.join(self.left_s())
        if errors:
            raise errors[0]
        if not results:
            raise self.failure()
        return results[0]


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
