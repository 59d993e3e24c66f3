"""Decide how often to poll, and what an end is worth. Does not sleep and asks nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from music_gen.errors import BatchFailed, GenerationFailed, MusicGenError, StillRunning, TaskCancelled, TaskGone
from music_gen.remote.requests import Call, Polled, poll
from music_gen.types import Batch, Task, id_of

OnTask = Callable[[Task], None] | None
POLL_S = 0.2
LONGEST_POLL_S = 2.0
LONG_POLL_S = 25  # most proxies let a request wait for 30 s


class Polling:
    """Decide when to poll next: short clips are seen at once, and long ones cost the server little."""

    def __init__(self, what: str = "", patience_s: float | None = None) -> None:
        """Wait for `what`, from now on and for no longer than `patience_s`."""
        self._what, self._patience_s = what, patience_s
        self._since = time.monotonic()
        self._next_s = POLL_S

    def left_s(self) -> float:
        """Return the seconds of patience that are left."""
        if self._patience_s is None:
            return math.inf
        return max(0.0, self._patience_s - (time.monotonic() - self._since))

    def wait_s(self) -> float:
        """Return the wait before the next poll. Raises StillRunning where patience does not last until then."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 1.3, LONGEST_POLL_S)
        if self._patience_s is not None and wait_s > self.left_s():
            raise StillRunning(self._what, self._patience_s)
        return wait_s


class TaskPolling(Polling):
    """Poll one task: by long polls where the server has them, or else as any Polling."""

    def __init__(self, task: Task | str, patience_s: float | None = None, *, tells: bool = False) -> None:
        """Wait for a task. `tells`: somebody is shown its progress, so it is polled every second."""
        super().__init__(f"task {id_of(task)}", patience_s)
        self._id = id_of(task)
        self._stage = task.stage if isinstance(task, Task) and not tells else None
        self._longest_s = 1 if tells else LONG_POLL_S
        self._asked_at, self._asked_s = 0.0, 0

    def ask(self) -> Call[Polled]:
        """Return the next poll. Until a stage is known, it is answered at once."""
        self._asked_at, self._asked_s = time.monotonic(), 0
        if self._stage is not None:
            self._asked_s = self._longest_s if self._patience_s is None else min(self._longest_s, int(self.left_s()))
        return poll(self._id, self._asked_s, self._stage)

    def pause_s(self, polled: Polled) -> float:
        """Return the pause after a poll that did not show the end. Raises StillRunning as `wait_s` does."""
        known, self._stage = self._stage, polled.task.stage
        if known is None and self.left_s() >= 1:
            return 0.0  # the next one is a long poll
        in_time = time.monotonic() - self._asked_at >= 0.9 * self._asked_s
        if polled.waited and (polled.task.stage != known or in_time):
            return 0.0
        return self.wait_s()  # also where the server waited, but not for long, and there was no news


def completed(task: Task) -> Task:
    """Return the task, which has audio.

    Raises GenerationFailed, TaskCancelled, TaskGone; MusicGenError while it goes on.
    """
    if task.gone:
        raise TaskGone(f"task {task.id} was {task.status}, and nothing more is kept of it")
    match task.status:
        case "completed":
            return task
        case "failed":
            raise GenerationFailed(f"task {task.id} failed: {task.error}", code=task.error_code or "", task=task)
        case "cancelled":
            raise TaskCancelled(f"task {task.id} was cancelled")
        case _:
            raise MusicGenError(
                f"task {task.id} has no audio yet (it is {task.stage}, {task.progress:g} %); wait for it"
            )


def all_completed(batch: Batch) -> tuple[Task, ...]:
    """Return a batch's tasks, all of which have audio. Raises BatchFailed."""
    if any(task.status != "completed" or task.gone for task in batch.tasks):
        raise BatchFailed(batch)
    return batch.tasks
