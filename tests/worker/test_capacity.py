"""A worker has threads and connections for all that its engine can hold."""

from __future__ import annotations

import pytest

from worker.capacity import MAX_SLOTS, connections_for, engine_capacity, threads_for


@pytest.mark.parametrize("slots", [1, 3, 16, 128, 1024])
def test_there_are_threads_for_all_slots_and_for_finished_audio_that_waits_for_the_store(slots: int) -> None:
    assert threads_for(slots) >= engine_capacity(slots) + 2
    assert connections_for(threads_for(slots)) > 2 * threads_for(slots)


def test_the_most_slots_that_a_worker_prepares_for_are_the_engines() -> None:
    from worker.engine.model import memory

    assert max(memory.MAX_SLOTS, memory.MAX_SLOTS_ON_CPU) == MAX_SLOTS
