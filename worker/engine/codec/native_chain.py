"""Run layers of the codec's decoder by the kernels of this CPU, several layers in one call (`NativeChain`).

The layers (layers.py) are read into convolutions, each of which adds and activates what it gives; their state over a
stream is the same. What comes out is bitwise the same however a clip is cut.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from worker.engine.codec.layers import Activation, Convolution, Kernel, Layer, Residual, TorchChain, Upsampling
from worker.engine.codec.native_layout import INPUT, Operation
from worker.engine.codec.native_segment import Segment, SegmentState
from worker.engine.native.convolution import PackedKernel
from worker.engine.native.linear import Arena
from worker.engine.native.loader import Kernels

log = logging.getLogger(__name__)

NUMBERS_AT_ONCE = 1 << 18  # of an operation's output: what a core's cache keeps


class Unsupported(Exception):
    """Say that the kernels have no such layer."""


Pack = Callable[[Kernel], PackedKernel]


def read_operations(layers: Sequence[Layer], source: int, found: list[Operation], pack: Pack) -> int:
    """Append the layers' operations to those found, and return the last one's number. Raises Unsupported."""
    alpha: float | None = None
    for layer in layers:
        if isinstance(layer, Activation) and isinstance(layer.function, nn.ELU) and alpha is None:
            alpha = layer.function.alpha
        elif isinstance(layer, Convolution | Upsampling):
            found.append(Operation.of(layer, pack(layer.kernel), source, alpha))
            source, alpha = len(found) - 1, None
        elif isinstance(layer, Residual) and alpha is None:
            straight = read_operations(layer.shortcut, source, found, pack)
            source = read_operations(layer.block, source, found, pack)
            found[source] = replace(found[source], adds=straight)
        else:
            raise Unsupported(f"{type(layer).__name__} here")
    if alpha is not None:
        raise Unsupported("an activation at the end")
    return source


def expect_one_taker(operations: Sequence[Operation]) -> None:
    """Raise Unsupported where two operations would take the same numbers: each writes where one other reads."""
    taken = [(each.reads, each.alpha is not None) for each in operations]
    taken += [(each.adds, False) for each in operations if each.adds is not None]
    if len(set(taken)) < len(taken) or len({each.reads for each in operations}) < len(operations):
        raise Unsupported("outputs that two layers take")


def split(operations: Sequence[Operation]) -> list[list[Operation]]:
    """Split before what upsamples, as far as one value alone crosses; each part counts from its own first one."""
    parts: list[list[Operation]] = []
    begin = 0
    for end in range(1, len(operations) + 1):
        later = operations[end:]
        crosses = [value for each in later for value in (each.reads, each.adds) if value is not None and value < end]
        if not later or (later[0].trim is not None and crosses == [end - 1]):
            parts.append([each.counted_from(begin) for each in operations[begin:end]])
            begin = end
    return parts


class NativeChain:
    """Run a chain of layers over the frames of a stream, in parts that stay in a core's cache."""

    def __init__(self, kernels: Kernels, layers: Sequence[Layer], sides: int) -> None:
        """Pack the layers. Raises Unsupported."""
        operations, arena = list[Operation](), Arena()

        def pack(kernel: Kernel) -> PackedKernel:
            return PackedKernel(kernels, kernel.taps, kernel.bias, kernel.dilation, arena)

        read_operations(layers, INPUT, operations, pack)
        expect_one_taker(operations)
        parts = split(operations)
        alphas = [*(part[0].alpha for part in parts[1:]), None]
        self._segments = [Segment(kernels, part, alpha) for part, alpha in zip(parts, alphas, strict=True)]
        self._first_alpha = operations[0].alpha
        self._sides, self._lock = sides, threading.Lock()

    def begin(self) -> list[list[SegmentState]]:
        """Return the state before a clip's first frame, by side."""
        return [[segment.begin() for segment in self._segments] for _ in range(self._sides)]

    def run(self, x: Tensor, memory: list[list[SegmentState]], last: bool) -> Iterator[Tensor]:
        """Yield what comes of the next frames, in one part. [sides, frames, channels] in and out"""
        if self._first_alpha is not None:
            x = nn.functional.elu(x, self._first_alpha)
        with self._lock:
            sides = [self._run_side(side.contiguous(), state, last) for side, state in zip(x, memory, strict=True)]
        yield torch.stack(sides)

    def _run_side(self, x: Tensor, memory: list[SegmentState], last: bool) -> Tensor:
        return torch.cat([part.clone() for part in self._from(0, x, memory, last)])

    def _from(self, number: int, x: Tensor, memory: list[SegmentState], last: bool) -> Iterator[Tensor]:
        """Run that segment and all after it. [frames, channels]"""
        if number == len(self._segments):
            yield x
            return
        segment = self._segments[number]
        parts = x.split(max(1, NUMBERS_AT_ONCE // segment.numbers_a_frame))
        for part in parts:
            ends = last and part is parts[-1]
            yield from self._from(number + 1, segment.run(part, memory[number], ends), memory, ends)


def chain_of(
    layers: Sequence[Layer], kernels: Kernels | None, sides: int, max_elements: int
) -> NativeChain | TorchChain:
    """Return what runs the layers: the kernels, where they have them all, or torch."""
    try:
        if kernels is not None and layers:
            return NativeChain(kernels, layers, sides)
    except Unsupported as reason:
        log.info("torch runs the codec's convolutions: the kernels have no %s", reason)
    return TorchChain(layers, max_elements)
