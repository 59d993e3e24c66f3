"""Count what has happened in all processes together since the first start, for /metrics. One hash in Redis.

A field is words joined by `|`: what is counted, then its labels (`attempts|tiny|completed`). The job scripts count what
they move (lua/includes/events.lua); here is the rest. Counts are never read to decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import ROOT_KEY, RedisKeys

Field = tuple[str, ...]


class Counters:
    """Read and write the counts. All methods raise BrokerUnavailable when Redis does not answer in time."""

    def __init__(self, client: redis.Redis, root: str = ROOT_KEY) -> None:
        self._redis = commands_of(client)
        self._key = RedisKeys(root).counters()

    def add(self, amounts: Mapping[Field, int]) -> None:
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            for field, amount in amounts.items():
                pipe.hincrby(self._key, "|".join(field), amount)
            pipe.execute()

    def read(self) -> dict[Field, int]:
        with translated():
            return {tuple(field.split("|")): int(value) for field, value in self._redis.hgetall(self._key).items()}
