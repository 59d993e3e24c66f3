"""Outcomes are copied into buffers that exist before any step, and none is overwritten before it was read."""

from __future__ import annotations

import pytest
import torch

from worker.engine.runners.outcome_buffers import OutcomeBuffers


def test_a_buffer_is_lent_again_only_when_it_was_read() -> None:
    outcome = torch.zeros(2, 5, dtype=torch.int64)
    buffers = OutcomeBuffers(outcome, 3)
    on_their_way, seen, addresses = [], [], set()
    for step in range(20):
        outcome.fill_(step)
        on_their_way.append(buffers.copy())
        addresses.add(on_their_way[-1].rows.data_ptr())
        if len(on_their_way) == 3:
            oldest = on_their_way.pop(0)
            seen.append(int(oldest.wait()[0, 0]))
            buffers.free(oldest)
    assert seen == list(range(18))
    assert len(addresses) == 3


def test_more_steps_on_their_way_than_buffers_are_a_bug_and_no_allocation() -> None:
    buffers = OutcomeBuffers(torch.zeros(1, 5), 1)
    buffers.copy()
    with pytest.raises(IndexError):
        buffers.copy()
