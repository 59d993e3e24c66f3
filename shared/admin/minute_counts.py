"""Read the last hour, minute by minute, from what the transitions' own scripts have counted (lua/includes/minutes.lua).

The length of a line at a minute's end is the length of now without what came in and went out since. Whoever moves a
job counts, whatever its process; the counts lie in Redis and outlive all of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys
from shared.jobs.reader import JobReader
from shared.settings import Settings

MINUTES = 60


@dataclass(frozen=True)
class MinuteCounts:
    """Hold one minute, which began at `at` (UNIX seconds); the last one is not over.

    `queue_length` at its end. `wait_s`: for how long those waited, on average, that `started`; None where none did.
    `audio_s`: seconds of music that were made.
    """

    at: float
    queue_length: int
    started: int
    wait_s: float | None
    completed: int
    failed: int
    cancelled: int
    audio_s: float


class MinuteHistory:
    """Read the history. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, settings: Settings, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._reader = JobReader(client, settings, root)
        self._keys = RedisKeys(root)

    def last_hour(self, model: str | None = None) -> list[MinuteCounts]:
        """Return the last hour's minutes, the oldest first, of one model or of all together."""
        with translated():
            minute = self._redis.time()[0] // 60
            pipe = self._redis.pipeline(transaction=False)
            minutes = range(minute, minute - MINUTES, -1)
            for each in minutes:
                pipe.hgetall(self._keys.minute_counts(each))
            counted = [_of_model(counts, model) for counts in pipe.execute()]
        lengths = self._reader.waiting()
        length = sum(lengths.values()) if model is None else lengths.get(model, 0)
        found = []
        for each, counts in zip(minutes, counted, strict=True):
            found.append(_minute(each * 60, max(0, length), counts))
            length -= counts.get("queue", 0)
        return found[::-1]


def _of_model(counts: Mapping[str, str], model: str | None) -> dict[str, int]:
    """Add up the counts of one model, or of all, by their first words."""
    found: dict[str, int] = {}
    for field, count in counts.items():
        word, _, of = field.partition("|")
        if model is None or of == model:
            found[word] = found.get(word, 0) + int(count)
    return found


def _minute(at: float, queue_length: int, counts: Mapping[str, int]) -> MinuteCounts:
    started = counts.get("started", 0)
    return MinuteCounts(
        at=float(at),
        queue_length=queue_length,
        started=started,
        wait_s=round(counts.get("wait_ms", 0) / started / 1000, 1) if started else None,
        completed=counts.get("completed", 0),
        failed=counts.get("failed", 0),
        cancelled=counts.get("cancelled", 0),
        audio_s=round(counts.get("audio_ms", 0) / 1000, 1),
    )
