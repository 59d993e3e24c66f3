"""Let one process at a time do a background job: a short lock in Redis, renewed by its owner.

A leader that is paused may overlap with its successor for a moment, so what it leads must stand two at once.
"""

from __future__ import annotations

import uuid

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated

KEEP = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class LeaderLock:
    def __init__(self, client: redis.Redis, key: str, ttl_s: float) -> None:
        self._keep = commands_of(client).register_script(KEEP)
        self._redis = commands_of(client)
        self._key = key
        self._ttl_ms = round(ttl_s * 1000)
        self._me = uuid.uuid4().hex

    def leads(self) -> bool:
        """Take or keep the lock for its whole lifetime from now. Raises BrokerUnavailable."""
        with translated():
            return bool(self._keep(keys=[self._key], args=[self._me, self._ttl_ms]))
