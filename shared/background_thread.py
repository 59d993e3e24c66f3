"""Run a loop in a background thread while anything needs it: the one thread of that kind, for hubs and watchers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

RETRY_S = 0.5


class BackgroundThread:
    """Repeat `work` in a daemon thread for as long as `is_needed`. Whoever needs it calls `ensure`, often.

    Nothing but the thread itself says that it lives: one that ended, however it did, or that the system had no room
    for, is replaced at the next call. What `work` raises is logged, and it goes on. There are never two at once.
    """

    def __init__(self, name: str, work: Callable[[], None], is_needed: Callable[[], bool]) -> None:
        self._name = name
        self._work = work
        self._is_needed = is_needed
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Start the thread where none lives. The need is there before this is called."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # no room for a thread, or the process is ending
                    log.error("the thread %s did not start, and is tried again: %s", self._name, error)

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._work()
            except Exception:
                log.exception("the thread %s failed, and goes on", self._name)
                time.sleep(RETRY_S)

    def _goes_on(self) -> bool:
        """Return whether it is still needed; whoever comes after that finds no thread, and starts the next one."""
        with self._lock:
            if not self._is_needed():
                self._thread = None
            return self._thread is not None
