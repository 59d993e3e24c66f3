"""The waiting line: priorities, the accounts' turns, positions, what waits how long; at 100,000 jobs too."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ClaimLater
from shared.jobs.job import Job
from shared.jobs.priority_order import QueuePosition, next_class
from shared.jobs.store import JobStore
from shared.music.priority import CLASSES
from shared.music.request import MusicRequest
from shared.settings import Settings
from tests.submitting import submit_job


@pytest.fixture
def roomy(client: redis.Redis, make_settings: Callable[..., Settings]) -> JobStore:
    return JobStore(client, make_settings(max_queue_length=10**6))


@pytest.fixture
def submit(roomy: JobStore, request_for: Callable[..., MusicRequest]) -> Callable[..., Job]:
    def submit(account: str = "local", **changes: object) -> Job:
        return submit_job(roomy, request_for(**changes), "tiny", account=account, source="tasks")

    return submit


def claim(store: JobStore) -> Job:
    job = store.claim("tiny", "w1")
    assert job is not None
    return job


def test_of_eight_claims_five_are_high_two_normal_and_one_low(roomy: JobStore, submit: Callable[..., Job]) -> None:
    for priority in CLASSES:
        for _ in range(16):
            submit(priority=priority)
    claimed = Counter(claim(roomy).request.priority for _ in range(16))
    assert claimed == {"high": 10, "normal": 4, "low": 2}


def test_a_class_without_jobs_yields_to_the_others(roomy: JobStore, submit: Callable[..., Job]) -> None:
    for _ in range(3):
        submit(priority="low")
    assert [claim(roomy).request.priority for _ in range(3)] == ["low"] * 3


def test_a_thousand_jobs_of_one_account_do_not_hold_up_one_of_another(
    roomy: JobStore, submit: Callable[..., Job]
) -> None:
    for _ in range(1000):
        submit(account="greedy")
    for _ in range(10):
        claim(roomy)
    modest = submit(account="modest")
    assert roomy.reader.snapshot(modest.id).position == 1
    assert [claim(roomy).account for _ in range(2)] == ["greedy", "modest"]


def test_accounts_take_turns_and_each_ones_jobs_keep_their_order(roomy: JobStore, submit: Callable[..., Job]) -> None:
    jobs = {account: [submit(account=account).id for _ in range(4)] for account in "abc"}
    claimed = [claim(roomy) for _ in range(12)]
    assert all({job.account for job in claimed[n : n + 3]} == set("abc") for n in range(0, 12, 3))
    for account, ids in jobs.items():
        assert [job.id for job in claimed if job.account == account] == ids


def test_an_account_that_cancels_many_jobs_does_not_lose_its_turns(roomy: JobStore, submit: Callable[..., Job]) -> None:
    for _ in range(50):
        submit(account="steady")
    mine = [submit(account="fickle") for _ in range(50)]
    for job in mine[:-1]:
        roomy.cancel(job.id)
    assert mine[-1].id in {claim(roomy).id for _ in range(2)}


def test_holes_in_the_middle_are_closed_as_the_jobs_before_them_go(roomy: JobStore, submit: Callable[..., Job]) -> None:
    for _ in range(50):
        submit(account="steady")
    mine = [submit(account="fickle") for _ in range(50)]
    for job in mine[1:-1]:
        roomy.cancel(job.id)
    claimed = [claim(roomy).id for _ in range(4)]
    assert {mine[0].id, mine[-1].id} < set(claimed)


def test_a_job_that_comes_back_has_its_old_place_among_accounts(roomy: JobStore, submit: Callable[..., Job]) -> None:
    first = submit(account="a")
    for account in "abc":
        submit(account=account)
    job = claim(roomy)
    assert job.id == first.id
    claim(roomy)
    roomy.requeue(job)
    assert roomy.reader.snapshot(job.id).position == 0
    assert claim(roomy).id == first.id


def test_positions_foretell_the_order_of_all_claims(roomy: JobStore, submit: Callable[..., Job]) -> None:
    jobs = [submit(account="abc"[n % 7 % 3], priority=CLASSES[n % 5 % 3]) for n in range(60)]
    for _ in range(5):
        claim(roomy)
    places = roomy.reader.queued_states([job.id for job in jobs])
    positions = {job_id: place.position for job_id, place in places.items() if place and place.position is not None}
    order = [claim(roomy).id for _ in range(55)]
    assert order == sorted(positions, key=lambda job_id: positions[job_id])


def test_a_position_costs_the_same_whatever_the_length(
    roomy: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    last = submit(account="other")
    client.zadd("ostinato:line:normal:tiny", {f"{n:012d}:ghost": -n for n in range(1, 100_001)})
    client.config_resetstat()
    assert roomy.reader.snapshot(last.id).position == 100_000
    stats = client.info("commandstats")
    assert stats["cmdstat_zrank"]["calls"] == 1
    assert stats["cmdstat_evalsha"]["calls"] == 1
    assert stats["cmdstat_evalsha"]["usec"] < 1000


def test_submitting_and_claiming_do_not_slow_down_with_the_length(
    roomy: JobStore, client: redis.Redis, submit: Callable[..., Job]
) -> None:
    def least_usec() -> list[int]:
        """Of ten calls each: the least of several, for the server shares its processor."""
        return [min(usec_of(operate) for _ in range(10)) for operate in (submit, lambda: claim(roomy))]

    def usec_of(operate: Callable[[], object]) -> int:
        client.config_resetstat()
        operate()
        return int(client.info("commandstats")["cmdstat_evalsha"]["usec"])

    least_usec()
    short = least_usec()
    for start in range(10**6, 10**6 + 100_000, 10_000):
        ghosts = {f"{n:012d}:ghost": n for n in range(start, start + 10_000)}
        client.zadd("ostinato:line:normal:tiny", ghosts)
        client.zadd("ostinato:own:normal:tiny:other", ghosts)
    long = least_usec()
    assert long[0] < 3 * short[0] + 100
    assert long[1] < 3 * short[1] + 100


def test_the_oldest_of_those_next_in_line_is_told_per_model(roomy: JobStore, submit: Callable[..., Job]) -> None:
    first = submit()
    time.sleep(0.01)
    submit(account="b")
    assert roomy.reader.oldest() == {"tiny": first.created_at}
    claim(roomy), claim(roomy)
    assert roomy.reader.oldest() == {}


@given(
    counts=st.tuples(*[st.integers(0, 40)] * 3),
    claims=st.integers(0, 20),
    priority=st.sampled_from(CLASSES),
    rank=st.integers(0, 39),
)
def test_counting_ahead_in_leaps_is_counting_one_by_one(
    counts: tuple[int, int, int], claims: int, priority: str, rank: int
) -> None:
    waiting = dict(zip(CLASSES, counts, strict=True))
    if rank >= waiting[priority]:
        return
    standing = QueuePosition(priority, rank, dict(waiting), claims)
    left, ahead = dict(waiting), 0
    while True:
        name = next_class(claims + ahead, left)
        if name == priority and waiting[name] - left[name] == rank:
            break
        left[name] -= 1
        ahead += 1
    assert standing.ahead() == ahead


def test_a_heap_of_lost_records_stops_nobody(roomy: JobStore, client: redis.Redis, submit: Callable[..., Job]) -> None:
    client.zadd("ostinato:line:normal:tiny", {f"{n:012d}:ghost": 0 for n in range(2000)})
    job = submit()
    for _ in range(20):
        try:
            claimed = roomy.claim("tiny", "w1")
        except ClaimLater:
            continue
        break
    assert claimed is not None
    assert claimed.id == job.id
