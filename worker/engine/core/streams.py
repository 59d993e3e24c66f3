"""Where a thread's heavy work goes, so that no other thread waits for it.

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

Result = TypeVar("Result")


class WorkStream:
    """`work_stream.run(do)`: what `do` returns or raises, its work being on a stream, or a team, of its own."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._threads = torch.get_num_threads()
        self._on_cpu = device.type == "cpu"

    def run(self, do: Callable[[], Result]) -> Result:
        if not self._on_cpu:
            with self.open():
                return do()
        with ThreadPoolExecutor(1, "team", torch.set_num_threads, (self._threads,)) as team:
            return team.submit(do).result()

    @contextmanager
    def open(self) -> Iterator[None]:
        """On a GPU, what is done here goes on the stream; at the end the thread waits until that is done."""
        if self.stream is None:
            yield
            return
        with torch.cuda.stream(self.stream):
            yield
        self.stream.synchronize()  # what was made here is used on other streams


def lend(tensor: torch.Tensor | None) -> None:
    """Tell the allocator that the current stream reads a tensor that another one made."""
    if tensor is not None and tensor.is_cuda:
        tensor.record_stream(torch.cuda.current_stream(tensor.device))


def send(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A host tensor on the device, without waiting for what the device is doing."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
