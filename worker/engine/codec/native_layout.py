"""Lay out what a call of the kernels reads and writes for the layers of the codec's decoder (`Window`, `Buffer`).

The counterpart of layers.Window, worked out from numbers of frames alone: no data is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from worker.engine.codec.layers import Convolution, Upsampling
from worker.engine.native.convolution import PackedKernel
from worker.engine.native.structures import Copy

INPUT = -1
FLOAT = 4  # bytes
LINE = 16  # numbers
COPIED_AT_ONCE = 1 << 14  # numbers


@dataclass(frozen=True)
class Operation:
    """Describe a convolution, and by numbers whose outputs it reads (with `alpha` by ELU) and adds to its own."""

    packed: PackedKernel
    edges: tuple[int, int, str]  # how many frames pad a clip at its begin and at its end, and how
    reads: int  # an operation, or the chain's INPUT
    alpha: float | None
    stride: int = 1  # frames that each output is
    trim: int | None = None  # of an upsampling: frames to leave out at a clip's begin
    adds: int | None = None

    @classmethod
    def of(cls, layer: Convolution | Upsampling, packed: PackedKernel, reads: int, alpha: float | None) -> Operation:
        """Describe a layer whose kernel is packed."""
        if isinstance(layer, Convolution):
            return cls(packed, (layer.left, layer.right, layer.mode), reads, alpha)
        return cls(packed, (packed.reach, packed.reach, "constant"), reads, alpha, layer.stride, layer.trim_left)

    def counted_from(self, first: int) -> Operation:
        """Return the same where that operation is number 0."""
        return replace(self, reads=self.reads - first, adds=None if self.adds is None else self.adds - first)


@dataclass(frozen=True)
class Progress:
    """Tell how far an operation is in a stream."""

    to_read: int = 0  # frames that it still needs
    to_add: int = 0
    begun: bool = False
    trimmed: int = 0  # frames that an upsampling has left out at the clip's begin


@dataclass(frozen=True)
class Window:
    """Describe the frames that a kernel slides over in one call: padding, those from before, new ones, padding."""

    left: int
    before: int
    new: int
    right: int
    outputs: int
    begun: bool = True

    @classmethod
    def of(cls, operation: Operation, progress: Progress, new: int, last: bool) -> Window:
        """Lay out the next one."""
        left, right, mode = operation.edges
        needed = max(left, right) + 1 if mode == "reflect" else 1
        if not progress.begun and not last and progress.to_read + new < needed:
            return cls(0, progress.to_read, new, 0, 0, begun=False)
        left, right = 0 if progress.begun else left, right if last else 0
        outputs = max(0, left + progress.to_read + new + right - operation.packed.reach)
        return cls(left, progress.to_read, new, right, outputs)

    @property
    def frames(self) -> int:
        return self.before + self.new

    @property
    def total(self) -> int:
        return self.left + self.frames + self.right

    def padding(self, mode: str) -> list[tuple[int, int | None]]:
        """Return what pads: at which frame of the window, and which of its frames is repeated there, None for zeros."""
        outside = (*range(-self.left, 0), *range(self.frames, self.frames + self.right))
        sources = ((at, self._source(at, mode)) for at in outside)
        return [(self.left + at, None if source is None else self.left + source) for at, source in sources]

    def _source(self, at: int, mode: str) -> int | None:
        """Return which frame is repeated at a number before the first or after the last one."""
        missing = max(0, max(self.left, self.right) + 1 - self.frames) if mode == "reflect" else 0
        end = self.frames + missing  # a clip too short to be reflected is lengthened by zeros
        if mode == "reflect":
            at = -at if at < 0 else at if at < end else 2 * (end - 1) - at
        elif mode == "replicate":
            at = min(max(at, 0), end - 1)
        return at if mode != "constant" and at < self.frames else None


@dataclass(frozen=True)
class Outcome:
    """Describe what an operation writes in one call: `frames` are wanted, after `skipped` ones, of `written`."""

    skipped: int
    frames: int
    written: int

    @classmethod
    def of(cls, operation: Operation, progress: Progress, outputs: int, last: bool) -> Outcome:
        """Tell what comes of so many of the kernel's outputs."""
        packed, stride = operation.packed, operation.stride
        written = -(-outputs // packed.frames) * packed.frames * stride
        if operation.trim is None:
            return cls(0, outputs, written)
        skipped = min(outputs * stride, operation.trim - progress.trimmed)
        extra = packed.reach * stride - operation.trim if last else 0
        return cls(skipped, max(0, outputs * stride - skipped - extra), written)


@dataclass
class Buffer:
    """Describe where frames lie in a call. `start`: the address of the first, which is set once there is memory."""

    width: int  # numbers in a frame
    pitch: int  # numbers from frame to frame
    first_new: int
    new: int
    front: int  # frames that may be written before the first
    capacity: int
    start: int = 0

    @classmethod
    def of(cls, width: int, pitch: int, first_new: int, new: int, beyond: int, source: Outcome) -> Buffer:
        """Lay out a buffer with room for what its source writes around the new frames, and `beyond` after them."""
        front = max(0, source.skipped - first_new)
        after = max(new + beyond, source.written - source.skipped)
        return cls(width, pitch, first_new, new, front, front + first_new + after)

    @property
    def size(self) -> int:
        return -(-self.capacity * self.pitch // LINE) * LINE

    def settle(self, start: int) -> int:
        """Lie at that address; return the one after it."""
        self.start = start + self.front * self.pitch * FLOAT
        return start + self.size * FLOAT

    def at(self, frame: int) -> int:
        return self.start + frame * self.pitch * FLOAT

    def fill(self, first: int, count: int, source: int) -> list[Copy]:
        """Return the copies that put frames there which lie without gaps at an address."""
        rows = max(1, COPIED_AT_ONCE // self.width)
        return [
            Copy(
                self.at(first + i),
                source + i * self.width * FLOAT,
                min(rows, count - i),
                self.width,
                self.pitch,
                self.width,
            )
            for i in range(0, count, rows)
        ]

    def repeat(self, frame: int, source: int | None) -> Copy:
        """Return the copy that repeats another frame there, or puts zeros."""
        return Copy(self.at(frame), None if source is None else self.at(source), 1, self.width, 0, 0)

    def clear(self, first: int, count: int) -> list[Copy]:
        """Return the copy that puts zeros there."""
        return [Copy(self.at(first), None, count, self.width, self.pitch, 0)] if count else []

    def keep(self, first: int, count: int, target: int) -> list[Copy]:
        """Return the copy that takes frames from there to an address."""
        return [Copy(target, self.at(first), count, self.width, self.width, self.pitch)] if count else []
