"""List the jobs of all accounts, the newest first, by what an operator looks for.

Records are read newest first until a page is full, and at most READ_AT_MOST of them for one page: a page may be short,
or empty, and say all the same where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.jobs.job import Job, Status
from shared.jobs.search_text import search_text, search_words
from shared.jobs.snapshot import readable

READ_AT_MOST = 2000
READ_AT_ONCE = 200


@dataclass(frozen=True)
class JobFilter:
    """Say which jobs are wanted; None is all.

    `text`: title and prompt have all of its words, as in an account's own search, or the id begins with it. `since`:
    submitted then or later, UNIX seconds.
    """

    status: Status | None = None
    model: str | None = None
    account: str | None = None
    text: str | None = None
    since: float | None = None

    def takes(self, job: Job) -> bool:
        wanted = ((self.status, job.status), (self.model, job.model), (self.account, job.account))
        if any(asked is not None and asked != found for asked, found in wanted):
            return False
        return self.text is None or _is_found(job, self.text)


@dataclass(frozen=True)
class JobPage:
    """Hold a page of jobs. `next_before`: the arrival number before which the next page begins; None at the end."""

    jobs: tuple[Job, ...]
    next_before: int | None


class JobListing:
    """List jobs. Raises BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._keys = RedisKeys(root)

    def page(self, wanted: JobFilter, limit: int, before: int | None = None) -> JobPage:
        """Return up to `limit` jobs that arrived before that number."""
        jobs, read = list[Job](), 0
        while read < READ_AT_MOST:
            found = self._read(before)
            for number, job in found:
                read, before = read + 1, number
                if job is None:
                    continue
                if wanted.since is not None and job.created_at < wanted.since:
                    return JobPage(tuple(jobs), None)
                if wanted.takes(job):
                    jobs.append(job)
                if len(jobs) == limit:
                    return JobPage(tuple(jobs), before)
            if len(found) < READ_AT_ONCE:
                return JobPage(tuple(jobs), None)
        return JobPage(tuple(jobs), before)

    def _read(self, before: int | None) -> Sequence[tuple[int, Job | None]]:
        """Return the next jobs by arrival number, None for one whose record is gone: it leaves the list."""
        key, most = self._keys.all_jobs(), "+inf" if before is None else f"({before}"
        with translated():
            listed = self._redis.zrevrangebyscore(key, most, "-inf", start=0, num=READ_AT_ONCE, withscores=True)
            pipe = self._redis.pipeline(transaction=False)
            for job_id, _ in listed:
                pipe.hgetall(self._keys.job(job_id))
            records = pipe.execute()
            if gone := [job_id for (job_id, _), fields in zip(listed, records, strict=True) if not fields]:
                self._redis.zrem(key, *gone)
        return [
            (int(number), readable(job_id, fields) if fields else None)
            for (job_id, number), fields in zip(listed, records, strict=True)
        ]


def _is_found(job: Job, text: str) -> bool:
    searched = search_text(job.title, job.request.prompt)
    return job.id.startswith(text.lower()) or all(word in searched for word in search_words(text))
