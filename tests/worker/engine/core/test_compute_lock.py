"""ComputeLock: one after the other, in the order of asking, and long work lets others in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch

from worker.engine.core import compute_lock as module
from worker.engine.core.compute_lock import ComputeLock, usable_cores

WAIT_S = 10.0
AT_ONCE = 4


def in_threads(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in threads)


def until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def test_only_one_computes_at_a_time() -> None:
    lock, inside, most = ComputeLock(), list[int](), list[int]()

    def work() -> None:
        for _ in range(50):
            with lock:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    in_threads(*[work] * AT_ONCE)
    assert most == [1] * 50 * AT_ONCE


def test_threads_compute_in_the_order_in_which_they_asked() -> None:
    lock, came = ComputeLock(), list[int]()

    def take(number: int) -> None:
        with lock:
            came.append(number)

    with lock:
        threads = [threading.Thread(target=take, args=(number,), daemon=True) for number in range(AT_ONCE)]
        for number, thread in enumerate(threads):
            thread.start()
            until(lambda: len(lock._waiting) > number)  # noqa: B023 (awaited at once)
    for thread in threads:
        thread.join(WAIT_S)
    assert came == list(range(AT_ONCE))


@pytest.mark.parametrize(
    ("longest_hold_s", "said"), [(0.0, ["long", "short", "long"]), (WAIT_S, ["long", "long", "short"])]
)
def test_long_work_lets_others_in_that_wait(
    monkeypatch: pytest.MonkeyPatch, longest_hold_s: float, said: list[str]
) -> None:
    monkeypatch.setattr(module, "LONGEST_HOLD_S", longest_hold_s)
    lock, heard = ComputeLock(), list[str]()

    def short() -> None:
        with lock:
            heard.append("short")

    other = threading.Thread(target=short, daemon=True)
    with lock:
        heard.append("long")
        other.start()
        until(lambda: bool(lock._waiting))
        lock.give_way()
        heard.append("long")
    other.join(WAIT_S)
    assert heard == said


def test_work_that_raises_lets_the_next_one_in() -> None:
    lock = ComputeLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    in_threads(lambda: lock.__enter__() and None)


def test_nobody_waits_where_all_may_compute_at_once() -> None:
    lock, met = ComputeLock(shared=False), threading.Barrier(2, timeout=WAIT_S)

    def work() -> None:
        with lock:
            met.wait()
            lock.give_way()

    in_threads(work, work)
    assert not met.broken


def test_the_cores_are_locked_where_two_teams_of_threads_are_more_than_the_cores() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(usable_cores())
        assert ComputeLock.on(torch.device("cpu")).shared
        assert not ComputeLock.on(torch.device("meta")).shared
        torch.set_num_threads(max(1, usable_cores() // 2))
        assert ComputeLock.on(torch.device("cpu")).shared == (usable_cores() == 1)
    finally:
        torch.set_num_threads(threads)
