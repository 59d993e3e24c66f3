"""Ask of a server what operators ask: workers, queues, everybody's tasks, keys. `/admin/api` says what each does.

`AsyncAdminClient` (async_admin_client.py) is the same, awaited.
"""

from __future__ import annotations

from typing import Self, Unpack

import httpx

from music_gen.admin_access_types import AdminKeyPage, AuditPage, CreatedKey, DisabledKey
from music_gen.admin_types import (
    AdminQueue,
    AdminTask,
    AdminTaskPage,
    AdminTaskStory,
    AdminWorker,
    DeadLetter,
    MinutePoint,
)
from music_gen.remote import admin_requests as calls
from music_gen.remote.admin_requests import KeyLimitsAsked, TaskFilter
from music_gen.remote.transport import BASE_URL, RETRY_FOR_S, Connection


class AdminClient:
    """Call /admin/api with a key that has the scope admin; none at the machine of a server without keys."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = BASE_URL,
        *,
        retry_for_s: float = RETRY_FOR_S,
        http: httpx.Client | None = None,
    ) -> None:
        """Connect lazily; `http` as APIClient takes it."""
        self._connection = Connection(api_key, base_url, retry_for_s, http)
        self._connection.add_headers(calls.headers_of(self._connection.root))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def workers(self) -> list[AdminWorker]:
        return self._connection.send(calls.workers())

    def drain(self, worker: str) -> None:
        """Let a worker claim nothing more; what it runs it finishes. Raises NotFound."""
        self._connection.send(calls.drain(worker))

    def undrain(self, worker: str) -> None:
        self._connection.send(calls.undrain(worker))

    def queue(self) -> AdminQueue:
        return self._connection.send(calls.queue())

    def charts(self, model: str | None = None) -> list[MinutePoint]:
        """Return the last hour minute by minute, the oldest first, of one model or of all."""
        return self._connection.send(calls.charts(model))

    def tasks(self, **wanted: Unpack[TaskFilter]) -> AdminTaskPage:
        """Return a page of all accounts' tasks, newest first; its `next_before` is the next page's `before`."""
        return self._connection.send(calls.tasks(wanted))

    def story(self, task_id: str) -> AdminTaskStory:
        return self._connection.send(calls.story(task_id))

    def cancel(self, task_id: str) -> AdminTask:
        return self._connection.send(calls.cancel(task_id))

    def retry(self, task_id: str) -> str:
        """Run a copy of a failed task, and return its id. Not tried again: its first call may have begun it."""
        return self._connection.send(calls.retry(task_id), retry_for_s=0)

    def dead_letters(self) -> list[DeadLetter]:
        return self._connection.send(calls.dead_letters())

    def requeue(self, task_id: str) -> str:
        """Run a copy of a dead letter, and return its id. Not tried again: two copies might run."""
        return self._connection.send(calls.requeue(task_id), retry_for_s=0)

    def drop(self, task_id: str) -> None:
        """Forget a dead letter."""
        self._connection.send(calls.drop(task_id), retry_for_s=0)

    def keys(self, limit: int = 100, offset: int = 0) -> AdminKeyPage:
        return self._connection.send(calls.keys(limit, offset))

    def create_key(
        self, name: str, account: str | None = None, *, admin: bool = False, **limits: Unpack[KeyLimitsAsked]
    ) -> CreatedKey:
        """Make a key, which is in this response and never again. Not tried again: two keys might be made."""
        call = calls.create_key(name, account, admin=admin, limits=limits)
        return self._connection.send(call, retry_for_s=0)

    def disable_key(self, key_id: str, *, cancel_jobs: bool = False) -> DisabledKey:
        """End a key for good, and its tasks that have not begun if asked."""
        return self._connection.send(calls.disable_key(key_id, cancel_jobs=cancel_jobs))

    def audit(self, limit: int = 50, before: str | None = None) -> AuditPage:
        """Return a page of what operators did, newest first."""
        return self._connection.send(calls.audit(limit, before))
