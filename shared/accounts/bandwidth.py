"""Count the bytes of audio an account was given this month (UTC), in Redis: exact, whoever counts at once.

What is served counts each time; a link to the store counts once in its lifetime, however often it is told. Knows no
HTTP and no keys: how much is allowed comes with each call.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import redis

from shared.broker.commands import commands_of
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS

MONTH_KEPT_S = 62 * 24 * 3600
# KEYS: the month's count, the link's key | ''; ARGV: bytes, most | '', the count's lifetime, the link key's
COUNT = """
if KEYS[2] ~= '' and redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local used = tonumber(redis.call('GET', KEYS[1]) or 0)
if ARGV[2] ~= '' and used + ARGV[1] > tonumber(ARGV[2]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if KEYS[2] ~= '' then redis.call('SET', KEYS[2], 1, 'EX', ARGV[4]) end
return 1
"""


class Bandwidth:
    """Count bytes of audio. All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, client: redis.Redis, link_lifetime_s: int) -> None:
        self._redis = commands_of(client)
        self._script = commands_of(client).register_script(COUNT)
        self._link_lifetime_s = link_lifetime_s

    def count(self, account: str, size: int, most: int | None) -> bool:
        """Count audio that is served; False, and nothing counted, when the month's allowance does not hold it."""
        return self._count(account, size, most, "")

    def count_link(self, account: str, task_id: str, size: int, most: int | None) -> bool:
        """Count a link to a task's audio, once in its lifetime."""
        return self._count(account, size, most, REDIS_KEYS.counted_link(account, task_id))

    def used(self, account: str) -> int:
        with translated():
            return int(self._redis.get(_month_key(account)) or 0)

    def _count(self, account: str, size: int, most: int | None, link_key: str) -> bool:
        limit = "" if most is None else most
        with translated():
            args = [size, limit, MONTH_KEPT_S, self._link_lifetime_s]
            return bool(self._script(keys=[_month_key(account), link_key], args=args))


def seconds_left_of_month() -> int:
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return round((first + timedelta(days=32)).replace(day=1).timestamp() - now.timestamp()) + 1


def _month_key(account: str) -> str:
    return REDIS_KEYS.bytes_served(account, f"{datetime.now(UTC):%Y%m}")
