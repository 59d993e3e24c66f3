"""What an account may ask for, counted in the real Redis."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from api.auth.keys import Allowance
from api.auth.rate_limits import POLLS_A_SUBMISSION, Limits
from shared.broker.connection import connect
from shared.errors import RateLimited
from shared.settings import Settings


@pytest.fixture
def limits(client: redis.Redis, settings: Settings) -> Limits:
    return Limits(client, settings)


def test_the_submission_after_the_last_allowed_one_is_refused_with_a_time(limits: Limits) -> None:
    allowance = Allowance(rpm=3)
    remaining = [limits.count_request("a", allowance, submits=True)["RateLimit-Remaining"] for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    with pytest.raises(RateLimited, match="3 submissions a minute") as refused:
        limits.count_request("a", allowance, submits=True)
    assert 1 <= refused.value.details["retry_after_s"] <= 60


def test_polls_are_counted_apart_and_higher_and_accounts_are_apart(limits: Limits) -> None:
    allowance = Allowance(rpm=1)
    limits.count_request("a", allowance, submits=True)
    for _ in range(POLLS_A_SUBMISSION):
        limits.count_request("a", allowance, submits=False)
    with pytest.raises(RateLimited):
        limits.count_request("a", allowance, submits=False)
    limits.count_request("b", allowance, submits=True)


def test_a_limit_is_exact_when_many_ask_at_once_over_several_connections(
    settings: Settings, client: redis.Redis
) -> None:
    processes = [Limits(connect(settings), settings) for _ in range(4)]

    def ask(number: int) -> bool:
        try:
            processes[number % 4].count_request("a", Allowance(rpm=20), submits=True)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(100))) == 20


def test_the_day_is_limited_beside_the_minute(limits: Limits) -> None:
    allowance = Allowance(rpm=10, rpd=2)
    for _ in range(2):
        limits.count_request("a", allowance, submits=True)
    with pytest.raises(RateLimited, match="2 submissions a day"):
        limits.count_request("a", allowance, submits=True)


def test_the_month_ends_before_the_byte_too_many_and_counts_nothing_that_was_refused(limits: Limits) -> None:
    allowance = Allowance(monthly_bytes=100)
    limits.count_bytes("a", allowance, 60)
    with pytest.raises(RateLimited, match="100 bytes"):
        limits.count_bytes("a", allowance, 41)
    limits.count_bytes("a", allowance, 40)
    assert limits.used_bytes("a") == 100


def test_no_allowance_is_no_limit(limits: Limits) -> None:
    free = Allowance(rpm=None, rpd=None, concurrent=None, monthly_bytes=None)
    assert limits.count_request("a", free, submits=True) == {}
    limits.count_bytes("a", free, 10**12)
    assert limits.usage("a", free)["bandwidth"] == {"limit": None, "used": 10**12}
