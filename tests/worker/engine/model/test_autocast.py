"""Threads that enter one autocast at the same time do not disturb each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from worker.engine.imports.audiocraft import TorchAutocast
from worker.engine.model.autocast import ThreadAutocast


def test_a_thread_that_leaves_it_goes_back_to_what_it_came_from_whatever_others_do() -> None:
    shared = ThreadAutocast(TorchAutocast(True, device_type="cpu", dtype=torch.bfloat16))
    both_inside, first_has_left = threading.Barrier(2, timeout=10), threading.Event()

    def enter(leaves_first: bool) -> tuple[bool, bool]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not leaves_first):
            before = torch.is_autocast_enabled("cpu")
            with shared:
                both_inside.wait()
                assert leaves_first or first_has_left.wait(10)
            first_has_left.set()
            return before, torch.is_autocast_enabled("cpu")

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(enter, (True, False)))
    assert found == [(False, False), (True, True)]


def test_it_computes_in_the_same_precision_and_keeps_no_weights_that_were_cast() -> None:
    shared = ThreadAutocast(TorchAutocast(True, device_type="cpu", dtype=torch.bfloat16))
    weight = torch.ones(2, 2, requires_grad=True)
    with torch.no_grad(), shared:
        assert not torch.is_autocast_cache_enabled()
        with shared:
            assert torch.mm(weight, weight).dtype is torch.bfloat16
        assert torch.mm(weight, weight).dtype is torch.bfloat16
    assert torch.mm(weight, weight).dtype is torch.float32


def test_one_that_is_disabled_changes_nothing() -> None:
    with ThreadAutocast(TorchAutocast(False)):
        assert not torch.is_autocast_enabled("cpu")
