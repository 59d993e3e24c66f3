"""Edit tasks, make them favourites, share them. Knows no HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from api.services.ended_cache import EndedJobs
from api.services.task_state import TaskState
from shared.jobs.job import LOCAL
from shared.jobs.kept_tasks import KeptTasks, Share

SHARE_ID_BYTES = 8  # it names a link; what opens it is the signature


class KeepingService:
    """Change how an account's tasks are kept.

    All methods raise BrokerUnavailable, and NotFound, also for another account's task.
    """

    def __init__(self, kept_tasks: KeptTasks, ended: EndedJobs, get: Callable[[str, str], TaskState]) -> None:
        """Wire it. `get` reads a task of an account."""
        self.kept_tasks = kept_tasks
        self._ended = ended
        self._get = get

    def edit(
        self, job_id: str, account: str = LOCAL, *, title: str | None = None, favourite: bool | None = None
    ) -> TaskState:
        """Change a task's title, "" for none, and whether it is a favourite; None leaves what is.

        Raises Conflict for a favourite that has no audio, QuotaUsedUp.
        """
        self.kept_tasks.edit(self._get(job_id, account).job, title=title, favourite=favourite)
        self._ended.forget(job_id)
        return self._get(job_id, account)

    def share(self, job_id: str, lifetime_s: int, account: str = LOCAL, key_id: str | None = None) -> Share:
        """Share a task by a new link, made with that API key. Raises Conflict for one without audio, QuotaUsedUp."""
        job = self._get(job_id, account).job
        return self.kept_tasks.share(job.id, secrets.token_hex(SHARE_ID_BYTES), lifetime_s, key_id)

    def shares(self, job_id: str, account: str = LOCAL) -> list[Share]:
        """Return the links that share a task now, the one that ends last first."""
        return self.kept_tasks.shares(self._get(job_id, account).job.id)

    def withdraw(self, job_id: str, share_id: str, account: str = LOCAL) -> None:
        """Take a link back."""
        self.kept_tasks.withdraw(self._get(job_id, account).job.id, share_id)
