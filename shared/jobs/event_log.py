"""Read the event log of each job. The transitions' own scripts write it (lua/); here nothing is written.

One Redis stream a job. An entry's id is the event's id for good: reading after an id gives each later entry exactly
once. The log keeps about the last 200 entries; what it lost of a long job is old progress.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys

START = "0"
ENDS = frozenset({"completed", "failed", "cancelled"})  # exactly one of them, and always the last entry
ENTRIES_AT_MOST = 1000
ID = re.compile(r"[0-9]{1,16}(-[0-9]{1,16})?")


@dataclass(frozen=True)
class Entry:
    """Hold one event as it was logged. `at` is in UNIX seconds, by the clock of the Redis server."""

    id: str
    type: str
    at: float
    fields: Mapping[str, str]

    @property
    def ends(self) -> bool:
        return self.type in ENDS

    def number(self, name: str) -> int:
        return int(self.fields.get(name, 0))


class EventLog:
    """Read events. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._keys = RedisKeys(root)

    def since(self, job_id: str, after: str = START) -> list[Entry]:
        """Return what one job's log holds after that id, oldest first."""
        return self.newer({job_id: after}, count=ENTRIES_AT_MOST).get(job_id, [])

    def last_ids(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the id of each job's last entry, START where there is none, in one round trip."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for job_id in job_ids:
                pipe.xrevrange(self._keys.events(job_id), count=1)
            found = pipe.execute()
        return {job_id: entries[0][0] if entries else START for job_id, entries in zip(job_ids, found, strict=True)}

    def newer(self, after: Mapping[str, str], *, wait_s: float = 0.0, count: int = 100) -> dict[str, list[Entry]]:
        """Read many jobs in one round trip: job id -> its entries after the given id, at most `count` each.

        Waits up to `wait_s` while there are none; it must be well below REDIS_TIMEOUT_S.
        """
        names = {self._keys.events(job_id): job_id for job_id in after}
        streams = {name: after[job_id] for name, job_id in names.items()}
        block = round(wait_s * 1000) or None  # 0 would wait for ever
        with translated():
            reply = self._redis.xread(streams, count=count, block=block)
        found = reply.items() if isinstance(reply, Mapping) else reply or ()
        return {names[name]: [_entry(*pair) for pair in pairs] for name, pairs in found}


def is_id(text: str) -> bool:
    return ID.fullmatch(text) is not None


def order(entry_id: str) -> tuple[int, int]:
    """Return what ids sort by."""
    time_ms, _, number = entry_id.partition("-")
    return int(time_ms), int(number or 0)


def _entry(entry_id: str, fields: Mapping[str, str]) -> Entry:
    return Entry(entry_id, fields["type"], int(fields["at_ms"]) / 1000, fields)
