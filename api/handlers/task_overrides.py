"""Change a task's native response for the jobs of a dialect whose clients poll it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import current_app

from shared.jobs.job import Job
from shared.jobs.response_schemas import TaskResponse


@dataclass(frozen=True)
class TaskOverrides:
    """Change a response: `audio_path` is the dialect's address of a job's audio; `change_cancelled` edits a task."""

    audio_path: Callable[[Job], str]
    change_cancelled: Callable[[TaskResponse], None]


def overrides_of(job: Job) -> TaskOverrides | None:
    """Return what the dialect that the job came through changes of its native response; None for most jobs."""
    by_source: Mapping[str, TaskOverrides] = current_app.extensions["task_overrides"]
    return by_source.get(job.source)
