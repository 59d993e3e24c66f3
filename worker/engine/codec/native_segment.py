"""Run a few convolutions of the codec's decoder in one call of the kernels (`Segment`).

Each reads a buffer: frames that it still needs of those before, the new ones, which the operation before writes there,
and at a clip's ends what pads it. So nothing is copied but a kernel's reach. A call is laid out once for equal numbers
of frames, and kept: in the middle of a clip, one call is like the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.engine.codec.native_layout import FLOAT, INPUT, LINE, Buffer, Operation, Outcome, Progress, Window
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import Convolution, Copy

MOST_KEPT = 32  # layouts


@dataclass
class SegmentState:
    """Hold how far each operation is, and the frames that all of them still need, one after the other."""

    progress: tuple[Progress, ...]
    frames: Tensor


class Segment:
    """Run operations one after the other; what the last one gives comes out, through ELU where `alpha` is given.

    One caller at a time.
    """

    def __init__(self, kernels: Kernels, operations: Sequence[Operation], alpha: float | None) -> None:
        self.operations, self.kernels = operations, kernels
        self.packed = [each.packed for each in operations]
        reads, adds = [each.reads for each in operations], [each.adds for each in operations]
        self.readers = [reads.index(i) if i in reads else None for i in range(len(operations))]
        self.adders = [adds.index(i) if i in adds else None for i in range(len(operations))]
        wanted = [alpha if reader is None else operations[reader].alpha for reader in self.readers]
        self.activates = [each is not None for each in wanted]
        self.alphas = [each or 0.0 for each in wanted]
        self.memory = torch.empty(0)
        self._calls: dict[tuple[tuple[Progress, ...], int, bool], Call] = {}

    @property
    def width(self) -> int:
        """Return how many numbers a frame has that comes out."""
        return self.packed[-1].outputs // self.operations[-1].stride

    @property
    def numbers_a_frame(self) -> int:
        """Return how many numbers the widest of its values has for a frame that comes in."""
        frames, widest = [1], self.operations[0].packed.inputs
        for each in self.operations:
            widest = max(widest, frames[each.reads + 1] * each.packed.outputs)
            frames.append(frames[each.reads + 1] * each.stride)
        return widest

    def begin(self) -> SegmentState:
        """Return the state before the first frame."""
        return SegmentState(tuple(Progress() for _ in self.operations), torch.empty(0))

    def run(self, x: Tensor, state: SegmentState, last: bool) -> Tensor:
        """Run over the next frames. [frames, channels] in and out; what comes out lasts until the next call."""
        key = (state.progress, len(x), last)
        if key not in self._calls:
            if len(self._calls) == MOST_KEPT:
                self._calls.clear()
            call = Call(self, *key)
            if len(self.memory) < call.size:
                self._calls.clear()  # they lie in the old memory
                self.memory = torch.empty(call.size)
            call.settle(self.memory)
            self._calls[key] = call
        return self._calls[key].run(x, state)


class Call:
    """Lay out one call of a segment, which may then be run any number of times."""

    def __init__(self, segment: Segment, progress: tuple[Progress, ...], new: int, last: bool) -> None:
        self._segment, self._progress = segment, progress
        self._windows: list[Window] = []
        self._outcomes = [Outcome(0, new, new)]  # of the INPUT, and of each operation
        for each, far in zip(segment.operations, progress, strict=True):
            window = Window.of(each, far, self._outcomes[each.reads + 1].frames, last)
            self._windows.append(window)
            self._outcomes.append(Outcome.of(each, far, window.outputs, last))
        self._read = [self._read_buffer(i) for i in range(len(progress))]
        self._added = [self._added_buffer(i) for i in range(len(progress))]
        self._next = tuple(self._progress_after(i) for i in range(len(progress)))
        self._before, self._after = self._kept_buffer(progress), self._kept_buffer(self._next)
        written = self._outcomes[-1].written
        self._result = Buffer(segment.width, segment.width, 0, written, 0, written)
        self._buffers = [*self._read, *filter(None, self._added), self._result, self._before, self._after]
        self.size = sum(each.size for each in self._buffers) + LINE
        self._inputs: list[tuple[Copy, int]] = []  # copies of the input, and where in it they begin

    def _read_buffer(self, number: int) -> Buffer:
        each, packed, window = self._segment.operations[number], self._segment.packed[number], self._windows[number]
        pitch = packed.pitch if each.reads == INPUT else packed.inputs
        beyond, source = window.right + packed.surplus, self._outcomes[each.reads + 1]
        return Buffer.of(packed.inputs, pitch, window.left + window.before, window.new, beyond, source)

    def _added_buffer(self, number: int) -> Buffer | None:
        each, packed = self._segment.operations[number], self._segment.packed[number]
        if each.adds is None:
            return None
        source, before = self._outcomes[each.adds + 1], self._progress[number].to_add
        return Buffer.of(packed.outputs, packed.outputs, before, source.frames, packed.surplus, source)

    def _kept_buffer(self, progress: tuple[Progress, ...]) -> Buffer:
        """Return the buffer of all frames that are still needed, one after the other."""
        sizes = zip(progress, self._segment.packed, strict=True)
        numbers = sum(far.to_read * packed.inputs + far.to_add * packed.outputs for far, packed in sizes)
        return Buffer(1, 1, 0, numbers, 0, numbers)

    def _progress_after(self, number: int) -> Progress:
        window, added, far = self._windows[number], self._added[number], self._progress[number]
        to_add = 0 if added is None else added.first_new + added.new - window.outputs
        trimmed = far.trimmed + self._outcomes[number + 1].skipped
        return Progress(window.total - window.outputs, to_add, far.begun or window.begun, trimmed)

    def settle(self, memory: Tensor) -> None:
        """Lie in that memory from now on."""
        start = -(-memory.data_ptr() // (LINE * FLOAT)) * LINE * FLOAT
        for each in self._buffers:
            start = each.settle(start)
        begin = (self._result.start - memory.data_ptr()) // FLOAT
        self._out = memory[begin:][: self._result.new * self._segment.width].view(-1, self._segment.width)
        self._from_before = self._view(memory, self._before)
        self._to_keep = self._view(memory, self._after)
        read_at, kept_at = self._before.start, self._after.start
        layers, keeping = [], list[Copy]()
        for number, packed in enumerate(self._segment.packed):
            layer, read_at = self._layer(number, read_at)
            layers.append(layer)
            window, read, added, far = (
                self._windows[number],
                self._read[number],
                self._added[number],
                self._next[number],
            )
            keeping += read.keep(window.outputs, far.to_read, kept_at)
            kept_at += far.to_read * packed.inputs * FLOAT
            if added is not None:
                keeping += added.keep(window.outputs, far.to_add, kept_at)
                kept_at += far.to_add * packed.outputs * FLOAT
        layers.append(Convolution((Copy * len(keeping))(*keeping), copied=len(keeping), runs=1, run=1))
        self._layers = (Convolution * len(layers))(*layers)

    @staticmethod
    def _view(memory: Tensor, buffer: Buffer) -> Tensor:
        begin = (buffer.start - memory.data_ptr()) // FLOAT
        return memory[begin : begin + buffer.new]

    def _layer(self, number: int, kept_at: int) -> tuple[Convolution, int]:
        """Describe an operation and the copies before it; return it, and where the next one's kept frames begin."""
        segment, window, far = self._segment, self._windows[number], self._progress[number]
        each, packed, read, added = (
            segment.operations[number],
            segment.packed[number],
            self._read[number],
            self._added[number],
        )
        repeats = [read.repeat(*where) for where in window.padding(each.edges[2])]
        repeats += read.clear(window.total, packed.surplus)
        copies = read.fill(window.left, far.to_read, kept_at)
        kept_at += far.to_read * packed.inputs * FLOAT
        given = [read] if each.reads == INPUT else []
        if added is not None:
            copies += added.fill(0, far.to_add, kept_at)
            kept_at += far.to_add * packed.outputs * FLOAT
            given += [added] if each.adds == INPUT else []
        begin = len(copies)
        for buffer in given:
            copies += buffer.fill(buffer.first_new, buffer.new, 0)
        array = (Copy * (len(copies) + len(repeats)))(*copies, *repeats)
        self._inputs += [(array[i], getattr(array[i], "from") or 0) for i in range(begin, len(copies))]
        plain, activated = self._targets(number)
        more = None if added is None else added.at(0)
        layer = packed.layer(read.at(0), read.pitch, plain, activated, more, window.outputs, segment.alphas[number])
        layer.copies, layer.copied, layer.repeated = array, len(copies), len(repeats)
        return layer, kept_at

    def _targets(self, number: int) -> tuple[int | None, int | None]:
        """Return where an operation's outputs go, as they are and activated."""
        reader, adder = self._segment.readers[number], self._segment.adders[number]
        skipped = self._outcomes[number + 1].skipped
        plain = activated = None
        if reader is not None or adder is None:
            target = self._result if reader is None else self._read[reader]
            address = target.at(target.first_new - (0 if reader is None else skipped))
            plain, activated = (None, address) if self._segment.activates[number] else (address, None)
        if adder is not None and (added := self._added[adder]) is not None:
            plain = added.at(added.first_new - skipped)
        return plain, activated

    def run(self, x: Tensor, state: SegmentState) -> Tensor:
        """Run it over the next frames, and leave the state after them. [frames, channels] in and out"""
        self._from_before.copy_(state.frames)
        start = x.data_ptr()
        for copy, offset in self._inputs:
            setattr(copy, "from", start + offset)
        self._segment.kernels.convolve(self._layers)
        state.frames, state.progress = self._to_keep.clone(), self._next
        out = self._outcomes[-1]
        return self._out[out.skipped : out.skipped + out.frames]
