"""What waiting for music means: how often to look, and what an end is worth. Does not sleep and asks nobody."""

from __future__ import annotations

import time
from collections.abc import Callable

from music_gen.answers import Batch, Task
from music_gen.errors import BatchFailed, GenerationFailed, MusicGenError, StillRunning, TaskCancelled, TaskGone

OnTask = Callable[[Task], None] | None
POLL_S = 0.2
LONGEST_POLL_S = 2.0


class Polling:
    """When to look next: short pieces are seen at once, and long ones cost the server little."""

    def __init__(self, what: str = "", patience_s: float | None = None) -> None:
        """`what` is waited for, from now on and for no longer than `patience_s`."""
        self._what, self._patience_s = what, patience_s
        self._since = time.monotonic()
        self._next_s = POLL_S

    def wait_s(self) -> float:
        """Until the next look. Raises StillRunning where patience does not last until then."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 1.3, LONGEST_POLL_S)
        if self._patience_s is not None and time.monotonic() - self._since + wait_s > self._patience_s:
            raise StillRunning(self._what, self._patience_s)
        return wait_s


def completed(task: Task) -> Task:
    """The task, which has audio. Raises GenerationFailed, TaskCancelled, TaskGone; MusicGenError while it goes on."""
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
    """Its tasks, all of which have audio. Raises BatchFailed."""
    if any(task.status != "completed" or task.gone for task in batch.tasks):
        raise BatchFailed(batch)
    return batch.tasks
