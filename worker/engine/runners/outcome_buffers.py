"""Copy the outcomes of steps to the host, into buffers that are allocated once (`OutcomeBuffers`).

A step that has been launched cannot be taken back: so nothing after it may ask for memory or for an event.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class HostOutcome:
    """Hold one step's outcome, on the host once `arrived`."""

    rows: torch.Tensor  # [slots, codebooks + 1]
    arrived: torch.cuda.Event | None

    def wait(self) -> torch.Tensor:
        """Return the rows once they are there. Raises the device's errors of the steps before."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.rows


class OutcomeBuffers:
    """Lend a buffer to each step whose outcome is on its way."""

    def __init__(self, outcome: torch.Tensor, count: int) -> None:
        self._outcome = outcome  # on the device, at a fixed address
        self._free = [self._allocate() for _ in range(count)]

    def copy(self) -> HostOutcome:
        """Begin to copy what the step before on this stream left."""
        taken = self._free.pop()
        taken.rows.copy_(self._outcome, non_blocking=True)
        if taken.arrived is not None:
            taken.arrived.record()
        return taken

    def free(self, read: HostOutcome) -> None:
        """Take a buffer back that has been read."""
        self._free.append(read)

    def _allocate(self) -> HostOutcome:
        on_gpu = self._outcome.is_cuda
        rows = torch.empty(self._outcome.shape, dtype=self._outcome.dtype, pin_memory=on_gpu)
        arrived = torch.cuda.Event(blocking=True) if on_gpu else None
        if arrived is not None:
            arrived.record()  # which makes it
        return HostOutcome(rows, arrived)
