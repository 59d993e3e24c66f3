"""Pools: bounded and fair, and a wait for a connection is no outage. Against a real server, and one that is silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from shared.broker.connection import connect
from shared.broker.counters import Counters
from shared.broker.pool import FairSemaphore, Wait, pool_of
from shared.broker.pool_waits import count_waits
from shared.errors import BrokerUnavailable, PoolExhausted
from shared.jobs.store import JobStore
from shared.music.request import MusicRequest
from shared.settings import Settings
from shared.workers.registry import WorkerRegistry
from stack.ports import LOOPBACK
from tests.stack.waiting import wait_for
from tests.submitting import submit_job


@pytest.fixture
def narrow(client: redis.Redis, make_settings: Callable[..., Settings]) -> Settings:
    """One connection, for which nobody waits long."""
    return make_settings(redis_pool_size=1, redis_pool_wait_s=0.2)


def test_who_waits_is_served_in_the_order_of_arrival_also_when_others_come_meanwhile() -> None:
    semaphore = FairSemaphore(1)
    assert semaphore.acquire() is None
    first, second = semaphore.acquire(), semaphore.acquire()
    assert first is not None
    assert second is not None
    semaphore.release()
    newcomer = semaphore.acquire()
    assert newcomer is not None, "the permit belongs to the first of the line"
    assert (first.locked(), second.locked(), newcomer.locked()) == (False, True, True)
    semaphore.release()
    assert (second.locked(), newcomer.locked()) == (False, True)


def test_a_permit_that_comes_to_somebody_who_gives_up_is_passed_on() -> None:
    semaphore = FairSemaphore(1)
    semaphore.acquire()
    leaving, staying = semaphore.acquire(), semaphore.acquire()
    assert leaving is not None
    assert staying is not None
    semaphore.release()
    semaphore.leave(leaving)
    assert not staying.locked()
    semaphore.release()
    assert semaphore.acquire() is None


def test_sixty_threads_share_one_connection_and_all_are_answered(
    make_settings: Callable[..., Settings], client: redis.Redis
) -> None:
    shared = connect(make_settings(redis_pool_size=1, redis_pool_wait_s=60.0))
    before = client.info("stats")["total_connections_received"]
    with ThreadPoolExecutor(60) as threads:
        assert sorted(threads.map(lambda _: shared.incr("n"), range(300))) == list(range(1, 301))
    assert client.info("stats")["total_connections_received"] == before + 1


def test_a_wait_longer_than_an_answer_may_take_is_no_outage(make_settings: Callable[..., Settings]) -> None:
    busy, waits = connect(make_settings(redis_pool_size=1, redis_timeout_s=0.2)), list[Wait]()
    pool = pool_of(busy)
    pool.on_wait = waits.append
    held = pool.get_connection()
    threading.Timer(0.6, pool.release, [held]).start()
    assert busy.ping()
    assert [wait.exhausted for wait in waits] == [False]
    assert waits[0].seconds > 0.2


def test_an_exhausted_pool_is_named_with_its_setting_and_not_taken_for_an_outage(narrow: Settings) -> None:
    busy = connect(narrow, name="worker", at_once=50)
    held = pool_of(busy).get_connection()
    with pytest.raises(PoolExhausted, match=r"pool 'worker', REDIS_POOL_SIZE=1\) were in use for 0\.2 s") as refused:
        WorkerRegistry(busy, narrow).live()
    assert refused.value.retryable
    assert "does not answer" not in refused.value.message
    pool_of(busy).release(held)
    assert WorkerRegistry(busy, narrow).live() == []


def test_all_that_reads_and_writes_jobs_gets_by_with_one_connection(
    narrow: Settings, request_for: Callable[..., MusicRequest]
) -> None:
    """Nobody keeps one while it does nothing, and no call needs two at once."""
    busy = connect(narrow)
    first, second = JobStore(busy, narrow), JobStore(busy, narrow)
    job = submit_job(first, request_for(), "tiny", account="local", source="tasks")
    claimed = second.claim("tiny", "w1")
    assert claimed is not None
    assert [each.id for each in first.reader.recent("local", limit=5)] == [job.id]
    assert second.reader.snapshot(job.id).job.worker == "w1"
    assert first.reader.waiting() == {"tiny": 0}
    assert pool_of(busy)._get_in_use_connections() == set()


def test_a_wider_pool_lets_in_who_waits(narrow: Settings) -> None:
    pool = pool_of(connect(narrow))
    held = [pool.get_connection()]
    pool.widen(3)
    held += [pool.get_connection(), pool.get_connection()]
    with pytest.raises(PoolExhausted, match="REDIS_POOL_SIZE=3"):
        pool.get_connection()
    pool.widen(2)  # never less
    for connection in held:
        pool.release(connection)
    assert pool.max_connections == 3


def test_a_connection_that_is_given_back_twice_counts_once(narrow: Settings) -> None:
    pool = pool_of(connect(narrow))
    connection = pool.get_connection()
    pool.release(connection)
    pool.release(connection)
    pool.get_connection()
    with pytest.raises(PoolExhausted):
        pool.get_connection()


@pytest.fixture
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that accepts and never answers, as one that hangs; its address, and whom it has accepted."""
    accepted: list[socket.socket] = []
    with socket.create_server((LOOPBACK, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://{LOOPBACK}:{listener.getsockname()[1]}/0", accepted
        listener.shutdown(socket.SHUT_RDWR)
    for each in accepted:
        each.close()


def test_while_the_server_hangs_who_waits_hears_of_that_without_trying_in_turn(
    silent: tuple[str, list[socket.socket]], make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.broker.pool.OUTAGE_CHECK_S", 0.25)
    url, accepted = silent
    settings = make_settings(redis_url=url, redis_pool_size=1, redis_timeout_s=0.2, redis_pool_wait_s=60.0)
    registry = WorkerRegistry(connect(settings), settings)

    def ask(_: int) -> str:
        with pytest.raises(BrokerUnavailable) as told:
            registry.live()
        return told.value.code

    with ThreadPoolExecutor(30) as threads:
        assert set(threads.map(ask, range(30))) == {"BROKER_UNAVAILABLE"}
    assert len(accepted) < 30, "the others did not wait for a try of their own"


def test_waits_are_counted_under_the_pools_name(client: redis.Redis, make_settings: Callable[..., Settings]) -> None:
    busy = connect(make_settings(redis_pool_size=1, redis_pool_wait_s=0.05), name="worker")
    count_waits(busy)
    held = pool_of(busy).get_connection()
    for _ in range(2):
        with pytest.raises(PoolExhausted):
            busy.ping()
    pool_of(busy).release(held)
    counters = Counters(client)
    assert wait_for(lambda: counters.read().get(("pool_waits", "worker"), 0) >= 2, 10.0)
    found = counters.read()
    assert found["pool_exhausted", "worker"] == 2
    assert found["pool_wait_ms", "worker"] >= 100
