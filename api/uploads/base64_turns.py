"""Run what takes processor time beside the loop of greenlets, which goes on serving: few at once, and few that wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import gevent
from gevent import monkey

from shared.errors import Unavailable

T = TypeVar("T")

AT_ONCE = 2  # in a process
MOST_WAITING = 30
LONGEST_WAIT_S = 20.0


class Turns:
    """Give turns in threads to at most `at_once` callers, while at most `most_waiting` others wait for theirs."""

    def __init__(self, at_once: int, most_waiting: int, longest_wait_s: float) -> None:
        self._admitted = threading.BoundedSemaphore(at_once + most_waiting)
        self._turns = threading.BoundedSemaphore(at_once)
        self._longest_wait_s = longest_wait_s

    def run(self, do: Callable[[], T]) -> T:
        """Return what it returns; it must not raise. Raises Unavailable where too many wait, or for too long."""
        with ExitStack() as acquired:
            if not self._admitted.acquire(blocking=False):
                raise _busy()
            acquired.callback(self._admitted.release)
            if not self._turns.acquire(timeout=self._longest_wait_s):
                raise _busy()
            acquired.callback(self._turns.release)
            return beside_the_loop(do)


def beside_the_loop(do: Callable[[], T]) -> T:
    """Run it in a thread of the system's under gevent; elsewhere the caller's thread is one already."""
    if not monkey.is_module_patched("threading"):
        return do()
    done: T = gevent.get_hub().threadpool.apply(do)
    return done


def _busy() -> Unavailable:
    return Unavailable("too many recordings in base64 are being decoded; try again in a few seconds, or send a form")


TURNS = Turns(AT_ONCE, MOST_WAITING, LONGEST_WAIT_S)
