"""What an account may ask for: submissions a minute and a day, polls, and bytes of audio a month.

Counted in Redis, so that all API processes share them, by the `limits` library's scripts, which are exact under
concurrency. How many jobs of an account run at once is not decided here: the claim does that, more jobs just wait.
Without keys nothing is limited.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

import redis
from flask import Flask, Response, g, request
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from api.account import current_account
from api.keys import Allowance
from shared.connection import ROOT_KEY, translated
from shared.errors import RateLimited
from shared.settings import Settings

POLLS_A_SUBMISSION = 20  # a poll costs a five-hundredth of a generation, and several belong to each
MONTH_KEPT_S = 62 * 24 * 3600


class Limits:
    """All methods raise BrokerUnavailable while Redis does not answer."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis: Any = client
        pool, prefix = client.connection_pool, f"{ROOT_KEY}:limits"
        self._windows = MovingWindowRateLimiter(RedisStorage(settings.redis_url, pool, key_prefix=prefix))

    def count_request(self, account: str, allowance: Allowance, *, submits: bool) -> dict[str, str]:
        """Take one from each window that applies; the RateLimit headers of the narrowest.

        Raises RateLimited.
        """
        headers: dict[str, str] = {}
        for item, what in self._items(allowance, submits):
            with translated():
                allowed = self._windows.hit(item, account, what)
                stats = self._windows.get_window_stats(item, account, what)
            wait_s = max(1, math.ceil(stats.reset_time - time.time()))
            if not allowed:
                raise RateLimited(f"{item.amount} {what}", wait_s)
            headers = headers or {
                "RateLimit-Limit": str(item.amount),
                "RateLimit-Remaining": str(max(0, stats.remaining)),
                "RateLimit-Reset": str(wait_s),
            }
        return headers

    @staticmethod
    def _items(allowance: Allowance, submits: bool) -> list[tuple[RateLimitItem, str]]:
        found: list[tuple[RateLimitItem, str]] = []
        if allowance.rpm is not None:
            amount = allowance.rpm if submits else allowance.rpm * POLLS_A_SUBMISSION
            found.append((RateLimitItemPerMinute(amount), "submissions a minute" if submits else "requests a minute"))
        if allowance.rpd is not None and submits:
            found.append((RateLimitItemPerDay(allowance.rpd), "submissions a day"))
        return found

    def count_bytes(self, account: str, allowance: Allowance, sent: int) -> None:
        """Audio that is served, or for which a link is given out.

        Raises RateLimited when the month's allowance does not hold it.
        """
        key, most = self._month_key(account), allowance.monthly_bytes
        with translated():
            used = int(self._redis.incrby(key, sent))
            self._redis.expire(key, MONTH_KEPT_S)
            if most is not None and used > most:
                self._redis.decrby(key, sent)
        if most is not None and used > most:
            raise RateLimited(f"{most} bytes of audio a month", _seconds_left_of_month())

    def used_bytes(self, account: str) -> int:
        with translated():
            return int(self._redis.get(self._month_key(account)) or 0)

    def usage(self, account: str, allowance: Allowance) -> dict[str, Any]:
        """What GET /usage tells."""
        windows = {}
        for item, what in self._items(allowance, submits=True):
            with translated():
                stats = self._windows.get_window_stats(item, account, what)
            windows[what] = {"limit": item.amount, "used": item.amount - max(0, stats.remaining)}
        return {
            "account": account,
            "windows": windows,
            "concurrent": {"limit": allowance.concurrent},
            "bandwidth": {"limit": allowance.monthly_bytes, "used": self.used_bytes(account)},
        }

    def _month_key(self, account: str) -> str:
        return f"{ROOT_KEY}:bytes:{account}:{datetime.now(UTC):%Y%m}"


def install(app: Flask, limits: Limits) -> None:
    """After api.auth. What posts is a submission, everything else a poll."""
    app.extensions["limits"] = limits

    @app.before_request
    def _count() -> None:
        if g.get("keys_exist") and request.method != "OPTIONS":
            g.limit_headers = limits.count_request(current_account(), g.allowance, submits=request.method == "POST")

    @app.after_request
    def _tell(response: Response) -> Response:
        response.headers.update(g.get("limit_headers", {}))
        return response


def _seconds_left_of_month() -> int:
    now = datetime.now(UTC)
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return math.ceil((datetime(year, month, 1, tzinfo=UTC) - now).total_seconds())
