"""Run a thread's heavy work on a CUDA stream or thread team of its own (`WorkStream`), so that no other thread waits.

On a GPU: a CUDA stream for each thread. On a CPU: a thread that ends with the work. A decode step is some hundred
products, each shared out over the decode thread's team. Its members wait for the next product awake, which OpenMP
allows only while all teams of the process together have no more threads than there are cores; with another team about,
even one that does nothing, they sleep, and waking one takes longer than many a product. A team lives as long as the
thread that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from worker.engine.core.capture_gate import CAPTURES
from worker.engine.core.failures import is_out_of_memory

Result = TypeVar("Result")


class WorkStream:
    """Run work on a CUDA stream, or on a CPU in a thread team, of its own."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._threads = torch.get_num_threads()
        self._on_cpu = device.type == "cpu"

    def run(self, do: Callable[[], Result]) -> Result:
        """Return what `do` returns, or raise what it raises, once its work is done. Waits while a graph is captured."""
        with CAPTURES.working():
            return self._run(do)

    def _run(self, do: Callable[[], Result]) -> Result:
        if not self._on_cpu:
            with self.open():
                return do()
        with ThreadPoolExecutor(1, "team", torch.set_num_threads, (self._threads,)) as team:
            return team.submit(do).result()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Put what is done inside on the stream, and wait at the end until that is done. On a CPU, do nothing."""
        if self.stream is None:
            yield
            return
        with torch.cuda.stream(self.stream):
            yield
        self.stream.synchronize()  # its results are used on other streams


def record_use(tensor: torch.Tensor | None) -> None:
    """Record with the allocator that the current stream reads a tensor from another stream."""
    if tensor is not None and tensor.is_cuda:
        tensor.record_stream(torch.cuda.current_stream(tensor.device))


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a host tensor to the device, without waiting for what the device is doing."""
    if device.type != "cuda":
        return tensor.to(device)
    try:
        return tensor.pin_memory().to(device, non_blocking=True)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return tensor.to(device)  # the host waits for the copy
