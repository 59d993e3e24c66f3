"""What waiting for music means: how often to look, and what an end is worth. Does not sleep and asks nobody."""

from __future__ import annotations

from collections.abc import Callable

from music_gen.answers import Batch, Task
from music_gen.errors import BatchFailed, GenerationFailed, MusicGenError, TaskCancelled, TaskGone

OnTask = Callable[[Task], None] | None
POLL_S = 0.2
LONGEST_POLL_S = 2.0


def next_poll_s(poll_s: float) -> float:
    """Short pieces are seen at once, and long ones cost the server little."""
    return min(poll_s * 1.3, LONGEST_POLL_S)


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
