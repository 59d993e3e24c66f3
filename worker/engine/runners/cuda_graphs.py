"""Capture a decode step as a CUDA graph for each shape, when it is first needed, and replay it from then on.

On a CPU the step is simply run: the graph-free twin, which does the same arithmetic in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker.engine.runners.cuda_step import StepShape

# Chosen here, because a graph keeps whatever was chosen when it was captured. Flash attention takes no mask.
BACKENDS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


class CudaGraphs:
    """Keep the captured graphs of one step function.

    `run(shape)` must touch fixed addresses only, and must change no slot's state while no slot is active.
    """

    def __init__(self, run: Callable[[StepShape], None], active: torch.Tensor, captures: bool) -> None:
        self._run = run
        self._active = active
        self.captures = captures
        self._pool: Any = torch.cuda.graph_pool_handle() if captures else None
        self._captured: dict[StepShape, torch.cuda.CUDAGraph] = {}

    def run(self, shape: StepShape) -> None:
        """Run or replay the step of that shape on the current stream."""
        if not self.captures:
            self.run_eagerly(lambda: self._run(shape))
            return
        if shape not in self._captured:
            self.capture(shape)
        self._captured[shape].replay()

    def run_eagerly(self, do: Callable[[], None]) -> None:
        """Run a step operation by operation, on a GPU by the same kernels as in a graph."""
        with sdpa_kernel(BACKENDS) if self._active.is_cuda else nullcontext():
            do()

    def capture(self, shape: StepShape) -> None:
        """Run the step once, so that libraries set themselves up, then record it; no slot advances."""
        active = self._active.clone()
        self._active.zero_()
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with sdpa_kernel(BACKENDS):
                self._run(shape)
                # thread_local: other threads go on with streams of their own meanwhile, and may allocate
                with torch.cuda.graph(graph, self._pool, stream, capture_error_mode="thread_local"):
                    self._run(shape)
        finally:
            self._active.copy_(active)
        self._captured[shape] = graph
