"""Limit what an account may ask for: submissions a minute and a day, polls, and bytes of audio a month.

Counted in Redis, so that all API processes share them, by the `limits` library's scripts, which are exact under
concurrency. How many jobs of an account run at once is not decided here: the claim does that, more jobs just wait.
Without keys nothing is limited.
"""

from __future__ import annotations

import math
import time

import redis
from flask import Flask, Request, Response, current_app
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from api.auth.authenticate import current_auth
from api.auth.keys import Allowance
from api.http.request_hooks import RequestHooks
from api.http.request_state import RequestState, request_state
from shared.accounts.bandwidth import Bandwidth, seconds_left_of_month
from shared.broker.connection import translated
from shared.broker.keys import REDIS_KEYS
from shared.errors import RateLimited
from shared.jobs.reader import JobReader
from shared.jobs.response_schemas import ResponseSchema
from shared.settings import Settings

POLLS_A_SUBMISSION = 20  # a poll costs a five-hundredth of a generation, and several belong to each


class Window(ResponseSchema):
    limit: int | None
    used: int


class Usage(ResponseSchema):
    """Report what the asking account may do, and what it has used of that."""

    account: str
    windows: dict[str, Window]
    concurrent: Window
    bandwidth: Window


class Limits:
    """Count in Redis. All methods raise BrokerUnavailable while it does not respond."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._reader = JobReader(client, settings)
        self._bandwidth = Bandwidth(client, settings.presigned_ttl_s(locked=True))
        pool, prefix = client.connection_pool, REDIS_KEYS.rate_limits()
        self._windows = MovingWindowRateLimiter(RedisStorage(settings.redis_url, pool, key_prefix=prefix))

    def count_request(self, account: str, allowance: Allowance, *, submits: bool) -> dict[str, str]:
        """Take one from each window that applies; return the RateLimit headers of the narrowest.

        Raises RateLimited.
        """
        return self._take(account, self._items(allowance, submits), 1)

    def count_submissions(self, account: str, allowance: Allowance, n: int) -> dict[str, str]:
        """Count n submissions at once: all of them or none. A batch's request was counted as one already.

        Raises RateLimited.
        """
        return self._take(account, self._items(allowance, submits=True), n) if n > 0 else {}

    def _take(self, account: str, items: list[tuple[RateLimitItem, str]], n: int) -> dict[str, str]:
        headers: dict[str, str] = {}
        for item, what in items:
            with translated():
                allowed = self._windows.hit(item, account, what, cost=n)
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
        """Count audio that is served. Raises RateLimited when it is over the month's allowance."""
        if not self._bandwidth.count(account, sent, allowance.monthly_bytes):
            raise _month_is_used_up(allowance)

    def count_link(self, account: str, allowance: Allowance, task_id: str, size: int) -> None:
        """Count a link to a task's audio, once in its lifetime. Raises RateLimited as `count_bytes` does."""
        if not self._bandwidth.count_link(account, task_id, size, allowance.monthly_bytes):
            raise _month_is_used_up(allowance)

    def expect_bytes_left(self, account: str, allowance: Allowance) -> None:
        """Refuse to make music that could not be fetched. Raises RateLimited."""
        if allowance.monthly_bytes is not None and self.used_bytes(account) >= allowance.monthly_bytes:
            raise _month_is_used_up(allowance)

    def used_bytes(self, account: str) -> int:
        return self._bandwidth.used(account)

    def usage(self, account: str, allowance: Allowance) -> Usage:
        windows: dict[str, Window] = {}
        for item, what in self._items(allowance, submits=True):
            with translated():
                stats = self._windows.get_window_stats(item, account, what)
            windows[what] = {"limit": item.amount, "used": item.amount - max(0, stats.remaining)}
        return {
            "account": account,
            "windows": windows,
            "concurrent": {"limit": allowance.concurrent, "used": self._reader.running_for(account)},
            "bandwidth": {"limit": allowance.monthly_bytes, "used": self.used_bytes(account)},
        }


def install(app: Flask, hooks: RequestHooks, limits: Limits, polls_by_post: frozenset[str]) -> None:
    """Count every request of a key, after api.auth.authenticate has found whose it is.

    What is posted is a submission, but at the routes of `polls_by_post`, as Flask writes them; all else is a poll.
    """
    app.extensions["limits"] = limits

    @hooks.before
    def _count(request: Request, state: RequestState) -> None:
        auth = current_auth()
        if auth.has_key and request.method != "OPTIONS":
            submits = request.method == "POST" and _route(request) not in polls_by_post
            headers = limits.count_request(auth.account, auth.allowance, submits=submits)
            state.rate_limit_headers = headers
            if submits:
                limits.expect_bytes_left(auth.account, auth.allowance)

    @hooks.after
    def _add_headers(request: Request, state: RequestState, response: Response) -> None:
        if state.rate_limit_headers:
            response.headers.update(state.rate_limit_headers)


def _route(request: Request) -> str | None:
    return request.url_rule.rule if request.url_rule else None


def count_submission() -> None:
    """Count what comes over an open connection as a request of its own that posts. Raises RateLimited."""
    auth = current_auth()
    if auth.has_key:
        _limits().count_request(auth.account, auth.allowance, submits=True)
        _limits().expect_bytes_left(auth.account, auth.allowance)


def count_batch(count: int) -> None:
    """Count a batch as its requests one by one; the first was counted when the call came. Raises RateLimited."""
    auth = current_auth()
    if auth.has_key and (headers := _limits().count_submissions(auth.account, auth.allowance, count - 1)):
        request_state().rate_limit_headers = headers


def expect_bytes_left() -> None:
    """Refuse to go on when the month's bytes are used up. Raises RateLimited."""
    auth = current_auth()
    if auth.has_key:
        _limits().expect_bytes_left(auth.account, auth.allowance)


def count_served(size: int) -> None:
    """Count so many bytes of audio that this request is answered with. Raises RateLimited."""
    auth = current_auth()
    if auth.has_key:
        _limits().count_bytes(auth.account, auth.allowance, size)


def count_link(task_id: str, size: int) -> None:
    """Count the store's own link that this request is answered with. Raises RateLimited as `count_served` does."""
    auth = current_auth()
    if auth.has_key:
        _limits().count_link(auth.account, auth.allowance, task_id, size)


def _limits() -> Limits:
    found: Limits = current_app.extensions["limits"]
    return found


def _month_is_used_up(allowance: Allowance) -> RateLimited:
    return RateLimited(f"{allowance.monthly_bytes} bytes of audio a month", seconds_left_of_month())
