"""Do what operators ask of workers, jobs and dead letters, each with its entry in the audit log.

For the commands of `python -m stack.operate` and the routes of /admin/api alike.
"""

from __future__ import annotations

from contextlib import suppress

import redis

from shared.admin.audit_log import Actor, AuditLog
from shared.broker.keys import ROOT_KEY
from shared.errors import NotFound, StorageUnavailable
from shared.jobs.dead_letters import DeadLetter, DeadLetters
from shared.jobs.job import Job
from shared.jobs.retries import Retries
from shared.jobs.store import JobStore
from shared.settings import Settings
from shared.storage import Storage, open_storage
from shared.workers.registry import WorkerRegistry


class Operator:
    """Act for operators. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(
        self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY, storage: Storage | None = None
    ) -> None:
        """`storage`: the process's own; without one, it is opened when it is needed."""
        self.store = JobStore(client, settings, root)
        self.audit_log = AuditLog(client, root)
        self._registry = WorkerRegistry(client, settings, root)
        self._settings, self._storage = settings, storage
        self._retries = Retries(self.store, self._is_kept)
        self._dead_letters = DeadLetters(client, self.store.reader, self._retries, root)

    def drain(self, worker: str, actor: Actor) -> None:
        """Let that worker claim nothing more. Raises NotFound where no live worker has that name."""
        with self.audit_log.recorded(actor, "drain", worker):
            self._expect_live(worker)
            self.store.drain(worker)

    def undrain(self, worker: str, actor: Actor) -> None:
        """Let it claim again. Raises NotFound where no live worker has that name, and none was drained under it."""
        with self.audit_log.recorded(actor, "undrain", worker):
            if not self.store.reader.is_drained(worker):
                self._expect_live(worker)
            self.store.undrain(worker)

    def cancel(self, job_id: str, actor: Actor) -> Job:
        """End a job of any account. Raises NotFound, and Conflict when it has completed or failed."""
        with self.audit_log.recorded(actor, "cancel", job_id):
            return self.store.cancel(job_id)

    def retry(self, job_id: str, actor: Actor) -> Job:
        """Run a copy of a failed job of any account. Raises NotFound, QueueFull and Conflict."""
        with self.audit_log.recorded(actor, "retry", job_id) as report:
            job = self._retries.retry(job_id)
            report.detail = f"runs again as {job.id}"
            return job

    def dead_letters(self, most: int = 100) -> list[DeadLetter]:
        """List the newest first."""
        return self._dead_letters.list(most)

    def requeue(self, job_id: str, actor: Actor) -> Job:
        """Run a copy of a dead letter, and drop it. Raises NotFound, QueueFull and Conflict."""
        with self.audit_log.recorded(actor, "requeue", job_id) as report:
            job = self._dead_letters.requeue(job_id)
            report.detail = f"runs again as {job.id}"
            return job

    def drop(self, job_id: str, actor: Actor) -> None:
        """Forget a dead letter. Raises NotFound."""
        with self.audit_log.recorded(actor, "drop", job_id):
            self._dead_letters.drop(job_id)

    def _is_kept(self, key: str) -> bool:
        with suppress(StorageUnavailable):
            return (self._storage or open_storage(self._settings)).exists(key)
        return True  # for all we know

    def _expect_live(self, worker: str) -> None:
        if worker not in {record.worker for record in self._registry.live()}:
            raise NotFound(f"no live worker is called {worker[:100]!r}; list the workers for their names")
