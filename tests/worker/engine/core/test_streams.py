from __future__ import annotations

import threading

import pytest
import torch

from worker.engine.core.streams import WorkStream


def test_on_a_cpu_work_runs_in_a_thread_of_its_own_with_as_many_torch_threads() -> None:
    threads, seen = torch.get_num_threads(), list[tuple[int, threading.Thread]]()

    def work() -> int:
        seen.append((torch.get_num_threads(), threading.current_thread()))
        return 7

    work_stream = WorkStream(torch.device("cpu"))
    torch.set_num_threads(threads + 1)  # as the decode thread does from step to step
    try:
        assert work_stream.run(work) == 7
    finally:
        torch.set_num_threads(threads)
    assert seen[0][0] == threads
    assert not seen[0][1].is_alive()


def test_what_the_work_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        WorkStream(torch.device("cpu")).run(lambda: 1 // 0)
