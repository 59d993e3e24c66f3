"""A team computes the same with any number of threads and beside others that want the cores, and leaves no thread."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import torch

from tests.stack.waiting import wait_for
from worker.engine.native.linear import Arena, NativeLinear
from worker.engine.native.loader import Kernels, kernels
from worker.engine.native.structures import Product


@pytest.fixture
def best() -> Kernels:
    found = kernels()
    assert found is not None
    return found


@contextmanager
def team_of(best: Kernels, threads: int) -> Iterator[int]:
    """Start a team beside the process's own."""
    team = best._library.team_start(threads)
    assert team
    try:
        yield team
    finally:
        best._library.team_stop(ctypes.c_void_p(team))


def multiply(best: Kernels, team: int, linear: NativeLinear, x: torch.Tensor) -> torch.Tensor:
    y = torch.empty(len(x), linear.outputs)
    pointers = x.data_ptr(), y.data_ptr(), None, None
    best.table.product(team, Product(ctypes.pointer(linear.matrix), *pointers, len(x), 0))
    return y


@pytest.fixture
def linear(best: Kernels) -> NativeLinear:
    weight = torch.randn(1000, 128, generator=torch.Generator().manual_seed(1))
    return NativeLinear(best, weight, None, "fp32", Arena())


@pytest.fixture
def busy_cores() -> Iterator[None]:
    """Keep every core busy."""
    command = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    loops = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(os.cpu_count() or 2)]
    for loop in loops:
        assert loop.stdout is not None
        loop.stdout.readline()
    yield
    for loop in loops:
        with loop:
            loop.kill()


def test_any_number_of_threads_computes_the_same(best: Kernels, linear: NativeLinear) -> None:
    x = torch.randn(7, 128)
    expected = linear(x)
    for threads in (1, 2, 3, 8, 40):
        with team_of(best, threads) as team:
            assert all(torch.equal(multiply(best, team, linear, x), expected) for _ in range(20)), threads


def test_results_are_exact_while_others_keep_every_core_busy(
    best: Kernels, linear: NativeLinear, busy_cores: None
) -> None:
    x = torch.randn(2, 128)
    expected = linear(x)
    with team_of(best, 4) as team:
        assert all(torch.equal(multiply(best, team, linear, x), expected) for _ in range(2000))


def test_many_python_threads_take_their_turns(best: Kernels, linear: NativeLinear) -> None:
    inputs = [torch.randn(rows, 128) for rows in range(1, 9)]
    expected = [linear(x) for x in inputs]
    wrong: list[int] = []

    def call(number: int) -> None:
        for _ in range(50):
            if not torch.equal(linear(inputs[number]), expected[number]):
                wrong.append(number)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(len(inputs))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


def threads() -> set[int]:
    """Return the numbers of this process's threads."""
    return {each.id for each in psutil.Process().threads()}


def test_a_team_that_is_stopped_leaves_no_thread(best: Kernels, linear: NativeLinear) -> None:
    linear(torch.randn(1, 128))
    before = threads()
    for _ in range(20):
        with team_of(best, 5) as team:
            multiply(best, team, linear, torch.randn(1, 128))
            assert len(threads() - before) >= 4
    assert wait_for(lambda: not threads() - before)  # a thread is listed for a moment more
