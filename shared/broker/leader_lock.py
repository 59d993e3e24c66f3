"""Let one process at a time do a background job: a short lock in Redis, renewed by its owner.

A leader that is paused may overlap with its successor for a moment, so what it leads must stand two at once.
"""

from __future__ import annotations

import uuid

import redis

from shared.broker.keys import ROOT_KEY
from shared.broker.lua_scripts import LuaScripts


class LeaderLock:
    """Hold one lock, or try to: whoever has it leads."""

    def __init__(self, client: redis.Redis, key: str, ttl_s: float) -> None:
        self._run = LuaScripts(client, ROOT_KEY).run
        self._key = key
        self._ttl_ms = round(ttl_s * 1000)
        self._me = uuid.uuid4().hex

    def leads(self) -> bool:
        """Take or keep the lock for its whole lifetime from now. Raises BrokerUnavailable."""
        return bool(self._run("keep_leader_lock", self._key, self._me, self._ttl_ms))
