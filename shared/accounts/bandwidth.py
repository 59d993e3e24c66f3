"""Count the bytes of audio an account was given this month (UTC), in Redis: exact, whoever counts at once.

What is served counts each time; a link to the store counts once in its lifetime, however often it is told. Knows no
HTTP and no keys: how much is allowed comes with each call.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS, ROOT_KEY
from shared.broker.lua_scripts import LuaScripts

MONTH_KEPT_S = 62 * 24 * 3600


class Bandwidth:
    """Count bytes of audio. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, client: redis.Redis, link_lifetime_s: int) -> None:
        self._redis = commands_of(client)
        self._run = LuaScripts(client, ROOT_KEY).run
        self._link_lifetime_s = link_lifetime_s

    def count(self, account: str, size: int, most: int | None) -> bool:
        """Count audio that is served; False, and nothing counted, when the month's allowance does not hold it."""
        return self._count(account, size, most)

    def count_link(self, account: str, task_id: str, size: int, most: int | None) -> bool:
        """Count a link to a task's audio, once in its lifetime."""
        return self._count(account, size, most, task_id)

    def used(self, account: str) -> int:
        with translated():
            return int(self._redis.get(REDIS_KEYS.bytes_served(account, _month())) or 0)

    def _count(self, account: str, size: int, most: int | None, link_to: str = "") -> bool:
        limit = "" if most is None else most
        link = (link_to, self._link_lifetime_s)
        return bool(self._run("count_bytes", account, _month(), size, limit, MONTH_KEPT_S, *link))


def seconds_left_of_month() -> int:
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return round((first + timedelta(days=32)).replace(day=1).timestamp() - now.timestamp()) + 1


def _month() -> str:
    return f"{datetime.now(UTC):%Y%m}"
