"""Capture a decode step as a CUDA graph for each shape, and replay it from then on (`CudaGraphs`).

The common shapes are captured at boot. Any other is stepped operation by operation, and captured between two steps once
`LIVE_AFTER` of its steps were made so: when no other thread works on the device, and only so often that captures take
a fiftieth of the time. Of these at most `live_limit` are kept; the one that was used longest ago goes when no song
runs. A shape whose capture fails is remembered, and goes on without a graph; no sequence ends of it.

On a CPU the step is simply run: the graph-free twin, which does the same arithmetic in the same order.
"""

from __future__ import annotations

import contextlib
import logging
import statistics
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker.engine.core.capture_gate import CAPTURES
from worker.engine.core.failures import is_device_error
from worker.engine.runners.cuda_step import StepShape
from worker.engine.runners.slot_limit import MAX_LIVE

log = logging.getLogger(__name__)

# Chosen here, because a graph keeps whatever was chosen when it was captured. Flash attention takes no mask.
BACKENDS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
LIVE_AFTER = 25  # steps: half a second of music
TIMED = 7  # replays of a step at boot
LIVE_PAUSE = 50  # times as long as a capture took, until the next one


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
        self._refused: set[StepShape] = set()
        self._eager_steps: Counter[StepShape] = Counter()
        self._next_live_at = 0.0
        self.live_limit = MAX_LIVE
        self._live: dict[StepShape, int] = {}  # captured while songs ran, each with when it was last used
        self._wanted = False  # whether another would be captured if there were not so many
        self._replays = 0

    def run(self, shape: StepShape) -> None:
        """Run or replay the step of that shape on the current stream."""
        if self.captures and shape in self._captured:
            self._captured[shape].replay()
            self._replays += 1
            if shape in self._live:
                self._live[shape] = self._replays
            return
        self.run_eagerly(lambda: self._run(shape))
        if self.captures and shape not in self._refused:
            self._capture_between_steps(shape)

    def run_eagerly(self, do: Callable[[], None]) -> None:
        """Run a step operation by operation, on a GPU by the same kernels as in a graph."""
        with sdpa_kernel(BACKENDS) if self._active.is_cuda else contextlib.nullcontext():
            do()

    def capture(self, shape: StepShape) -> None:
        """Run the step once, so that libraries set themselves up, then record it; no slot advances."""
        active = self._active.clone()
        self._active.zero_()
        try:
            self.run_eagerly(lambda: self._run(shape))
            with CAPTURES.alone(wait=True):
                if self._active.is_cuda:
                    torch.cuda.empty_cache()  # the graphs' pool cannot have what the allocator keeps for others
                self._record(shape)
        finally:
            self._active.copy_(active)

    def seconds(self, shape: StepShape) -> float:
        """Return how long a captured step takes on the device, the median of some; no slot advances."""
        active = self._active.clone()
        self._active.zero_()
        try:
            return _median_seconds(self._captured[shape].replay)
        finally:
            self._active.copy_(active)

    def make_space(self) -> None:
        """Drop the live graph that was used longest ago, if another was wanted and there were too many. None runs."""
        if self._wanted and self._live:
            if self._active.is_cuda:
                torch.cuda.current_stream().synchronize()  # a replay of it may be under way
            oldest = min(self._live, key=self._live.__getitem__)
            del self._live[oldest], self._captured[oldest], self._eager_steps[oldest]
        self._wanted = False

    def _capture_between_steps(self, shape: StepShape) -> None:
        """Record a shape that was stepped often enough, if that is possible now. Raises the device's own errors."""
        self._eager_steps[shape] += 1
        if self._eager_steps[shape] < LIVE_AFTER or time.monotonic() < self._next_live_at:
            return
        if len(self._live) >= self.live_limit:
            self._wanted = True
            return  # until `make_space`, when no song runs
        with CAPTURES.alone(wait=False) as alone:
            if not alone:
                return
            began_at = time.monotonic()
            try:
                self._record(shape)
                self._live[shape] = self._replays
            except Exception as error:
                if is_device_error(error):
                    raise
                self._refused.add(shape)
                log.warning("%s goes on without a graph: %s: %s", shape, type(error).__name__, error)
            now = time.monotonic()
            self._next_live_at = now + LIVE_PAUSE * (now - began_at)

    def _record(self, shape: StepShape) -> None:
        """Record the step; nothing is executed. torch.cuda.graph would synchronise the device before it."""
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: what other threads do is none of its business
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                self.run_eagerly(lambda: self._run(shape))
            finally:
                graph.capture_end()
        except Exception:
            self._leave_capture()
            raise
        self._captured[shape] = graph

    def _leave_capture(self) -> None:
        """Take torch's allocator out of the capture, which a `capture_end` that raises does not."""
        with contextlib.suppress(RuntimeError, AttributeError):  # it is out already
            torch._C._cuda_endAllocateToPool(self._active.device.index or 0, self._pool)


def _median_seconds(replay: Callable[[], None]) -> float:
    replay()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(TIMED + 1)]
    events[0].record()
    for event in events[1:]:
        replay()
        event.record()
    torch.cuda.current_stream().synchronize()
    return float(statistics.median(one.elapsed_time(other) for one, other in pairwise(events))) / 1e3
