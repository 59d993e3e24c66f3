"""Cache ended jobs for a moment: only their titles change, whether they are favourites, and one day they are forgotten.

Whoever polls past the end, or opens two hundred streams of one job, costs Redis one read a second. What is purged or
edited here is forgotten at once; what another process purged or edited, within AGE_S.
"""

from __future__ import annotations

import time

from shared.jobs.job import Job

AGE_S = 1.0
JOBS_AT_MOST = 1000


class EndedJobs:
    """Cache the newest JOBS_AT_MOST of them, by id."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[float, Job]] = {}

    def get(self, job_id: str) -> Job | None:
        cached = self._jobs.get(job_id)
        return cached[1] if cached is not None and time.monotonic() - cached[0] < AGE_S else None

    def keep(self, job: Job) -> None:
        self.forget(job.id)  # so that it comes last
        self._jobs[job.id] = (time.monotonic(), job)
        while len(self._jobs) > JOBS_AT_MOST:
            self.forget(next(iter(self._jobs)))

    def forget(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
