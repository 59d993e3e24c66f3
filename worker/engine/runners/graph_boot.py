"""Capture the common graphs at boot, measuring what each takes of memory and of time (`capture_common`).

The largest come first: the smaller ones then live in memory that it has left in the pool that all share.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from worker.engine.core.types import OnProgress
from worker.engine.model.memory import free_bytes
from worker.engine.runners.buckets import Buckets
from worker.engine.runners.cuda_graphs import CudaGraphs
from worker.engine.runners.cuda_step import PREFIX, TEXT, SlotState
from worker.engine.runners.slot_limit import live_graphs, slots_worth

log = logging.getLogger(__name__)

TYPICAL_TEXT = 32  # tokens


def capture_common(
    graphs: CudaGraphs, buckets: Buckets, state: SlotState, frame_s: float | None, progress: OnProgress
) -> Buckets:
    """Capture the common shapes, and bound by what is left of memory how many may be captured later.

    With `frame_s`, the seconds of music that a step makes, the buckets that are returned have the slots that are worth
    it by the steps' times; else all.
    """
    shapes, graph_bytes = list(buckets.common_shapes()), [0]
    for done, shape in enumerate(shapes):
        progress(done, len(shapes))
        free = free_bytes(state.active.device)
        graphs.capture(shape)
        graph_bytes.append(free - free_bytes(state.active.device))
    if frame_s is not None and not buckets.exact:
        buckets = _worth(graphs, buckets, state, frame_s)
    free = free_bytes(state.active.device)
    graphs.live_limit = live_graphs(free, max(graph_bytes))
    figures = sum(graph_bytes) / 2**20, max(graph_bytes) / 2**20, free / 2**30, graphs.live_limit
    log.info("graphs took %.0f MiB, the largest %.0f; %.1f GiB are free, and %d more graphs may come", *figures)
    return buckets


def _worth(graphs: CudaGraphs, buckets: Buckets, state: SlotState, frame_s: float) -> Buckets:
    """Time the steps, and return the buckets with as many slots as are worth it, a graph for all of these included."""
    positions = buckets.capacity.positions // 2
    common = [shape for shape in buckets.common_shapes() if shape.context == buckets.context_for(positions)]
    with _at(state, positions):
        step_s = {shape.slots: graphs.seconds(shape) for shape in common}
    slots = slots_worth(step_s, frame_s)
    times = ", ".join(f"{count}: {1e3 * seconds:.1f} ms" for count, seconds in sorted(step_s.items()))
    log.info("%d of %d slots are worth it; a step by slots takes %s", slots, buckets.slots, times)
    fewer = replace(buckets, slots=slots)
    for shape in fewer.common_shapes():
        if shape.slots not in step_s:
            graphs.capture(shape)
    return fewer


@contextmanager
def _at(state: SlotState, positions: int) -> Iterator[None]:
    """Let every slot be at that position: half a window is where songs that joined at any time are on average."""
    state.numbers[:, PREFIX], state.numbers[:, TEXT] = positions, TYPICAL_TEXT
    try:
        yield
    finally:
        state.numbers.zero_()
