"""Captures have the device alone, and wait for nobody unless they are to."""

from __future__ import annotations

import threading

import torch

from tests.worker.waiting import wait_for
from worker.engine.core.capture_gate import CAPTURES, CaptureGate
from worker.engine.core.streams import WorkStream


def test_threads_work_together_and_no_capture_begins_meanwhile() -> None:
    gate = CaptureGate()
    with gate.working(), gate.working(), gate.alone(wait=False) as alone:
        assert not alone
    with gate.alone(wait=False) as alone:
        assert alone
        with gate.alone(wait=False) as second:
            assert not second


def test_work_waits_until_a_capture_has_ended() -> None:
    done = threading.Event()
    work = WorkStream(torch.device("cpu"))
    with CAPTURES.alone(wait=False) as alone:
        assert alone
        thread = threading.Thread(target=work.run, args=(done.set,))
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(10)
    thread.join()


def test_a_capture_at_boot_waits_for_who_works() -> None:
    gate, began = CaptureGate(), threading.Event()

    def capture() -> None:
        with gate.alone(wait=True) as alone:
            assert alone
            began.set()

    thread = threading.Thread(target=capture)
    with gate.working():
        thread.start()
        assert not began.wait(0.2)
    wait_for(began.is_set)
    thread.join()


def test_a_capture_that_raises_keeps_nobody_out() -> None:
    gate = CaptureGate()
    try:
        with gate.alone(wait=False):
            raise MemoryError
    except MemoryError:
        pass
    with gate.working(), gate.alone(wait=False) as alone:
        assert not alone
