"""Write and read how tasks are kept: their titles, favourites, the links that share them. Each change is one script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from shared.accounts.key_states import Grant
from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.broker.lua_scripts import LuaScripts
from shared.errors import Conflict, NotFound, QuotaUsedUp
from shared.jobs.job import Job
from shared.jobs.search_text import search_text
from shared.jobs.snapshot import unknown
from shared.settings import Settings

SEARCHED_AT_MOST = 10_000  # tasks of an account, the newest
SEARCHED_AT_ONCE = 500  # in one script, so that others' commands come between


@dataclass(frozen=True)
class Share:
    """Hold a link that shares a task: on whose behalf, and until when (UNIX seconds)."""

    id: str
    task_id: str
    grant: Grant
    created_at: float
    expires_at: float


@dataclass(frozen=True)
class Found:
    """Hold the ids that a search found, the newest first, among the `searched` newest tasks."""

    ids: Sequence[str]
    searched: int


class KeptTasks:
    """Change how tasks are kept. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._settings = settings
        self._keys = RedisKeys(root)
        self._run = LuaScripts(client, root).run

    def edit(self, job: Job, *, title: str | None = None, favourite: bool | None = None) -> None:
        """Give the task another title, "" for none, or make it a favourite or none; None leaves what is.

        Raises NotFound, Conflict for a favourite without audio, and QuotaUsedUp.
        """
        settings = self._settings
        wanted = "" if favourite is None else str(int(favourite))
        texts = () if title is None else (title, search_text(title, job.request.prompt))
        most = settings.max_favourites
        word = self._run("edit_task", job.id, settings.result_ttl_s, most, wanted, *texts)
        if word == "full":
            raise QuotaUsedUp(f"{most} favourites (MAX_FAVOURITES) are all that this account may have; unmark another")
        if word == "part":
            raise Conflict(f"task {job.id} is a part of one that has not ended; make it a favourite when that has")
        _expect_completed(job.id, None if word == "ok" else word, word is None, "can be a favourite")

    def share(self, job_id: str, share_id: str, lifetime_s: int, key_id: str | None) -> Share:
        """Share a completed task by a new link, and keep it as long. Raises NotFound, Conflict, QuotaUsedUp."""
        most = self._settings.max_shares
        reply = self._run("share_task", job_id, share_id, lifetime_s, most, key_id or "")
        if reply == "full":
            raise QuotaUsedUp(f"{most} links (MAX_SHARES) are all that this account may have open; withdraw another")
        _expect_completed(job_id, reply if isinstance(reply, str) else None, reply is None, "can be shared")
        return self.find_share(share_id)

    def withdraw(self, job_id: str, share_id: str) -> None:
        """Raises NotFound."""
        if not self._run("withdraw_share", job_id, share_id):
            raise NotFound(f"no link {share_id!r} shares this task; it has run out, or was withdrawn")

    def find_share(self, share_id: str) -> Share:
        """Raises NotFound for a link that has run out or was withdrawn."""
        with translated():
            fields = self._redis.hgetall(self._keys.share(share_id))
        if not fields:
            raise NotFound(f"no link {share_id!r}; it has run out, or was withdrawn")
        grant = Grant(fields["account"], fields["key_id"] or None)
        created_at, expires_at = int(fields["created_ms"]) / 1000, int(fields["expires_ms"]) / 1000
        return Share(share_id, fields["job_id"], grant, created_at, expires_at)

    def shares(self, job_id: str) -> list[Share]:
        """Return the links that share a task now, the one that ends last first."""
        with translated():
            share_ids = self._redis.zrevrange(self._keys.shares(job_id), 0, -1)
        found = []
        for share_id in share_ids:
            try:
                found.append(self.find_share(share_id))
            except NotFound:  # it has run out
                continue
        return found

    def search(self, account: str, words: Sequence[str], *, favourites: bool) -> Found:
        """Find the tasks whose title and prompt have all these words, among the account's newest or its favourites."""
        ids = dict[str, None]()  # a task that arrives meanwhile moves the others on: one may be met twice
        searched = 0
        while searched < SEARCHED_AT_MOST:
            only = "1" if favourites else ""
            count, *found = self._run("search_tasks", account, only, searched, SEARCHED_AT_ONCE, *words)
            searched += count
            ids |= dict.fromkeys(found)
            if count < SEARCHED_AT_ONCE:
                break
        return Found(list(ids), searched)


def _expect_completed(job_id: str, status: str | None, is_gone: bool, what: str) -> None:
    """Raises NotFound, and Conflict for a task that has another status than completed."""
    if is_gone:
        raise unknown(job_id)
    if status is not None:
        message = f"task {job_id} is {status}; only a completed one {what}"
        raise Conflict(message, details={"status": status})
