"""Run an EnCodec's decoder layer by layer with streaming state, so that a clip may be decoded in chunks.

Each layer is the frozen weights; `begin()` gives the state of one stream, and `run(x, memory, last)` takes the next
frames and returns every output that they settle. A convolution keeps the frames that its kernel still reaches and pads
only the clip's true edges, the LSTM (recurrence.py) keeps (h, c): so chunks of any length give the same samples, and
nothing is computed twice.

Frames lie before channels: a convolution is then a few matrix products over shifted views, and a transposed one needs
no interleaving, since the `stride` outputs of a frame are neighbours in memory already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Layer(Protocol):
    """Map the next frames of a stream to every output that they settle."""

    def begin(self) -> Any: ...

    def run(self, x: Tensor, memory: Any, last: bool) -> Tensor: ...  # [batch, frames, channels] in and out


def edge_padded(x: Tensor, left: int, right: int, mode: str) -> Tensor:
    """Pad as audiocraft does: where the clip is too short to be reflected, zeros lengthen it first."""
    if not left and not right:
        return x
    missing = max(0, max(left, right) + 1 - x.shape[1]) if mode == "reflect" else 0
    if missing:
        x = torch.cat((x, x.new_zeros(x.shape[0], missing, x.shape[2])), dim=1)
    before = _edge(x[:, : left + 1], left, mode)
    after = _edge(x[:, -right - 1 :].flip(1), right, mode).flip(1)
    padded = torch.cat((before, x, after), dim=1)
    return padded[:, : padded.shape[1] - missing]


def _edge(x: Tensor, count: int, mode: str) -> Tensor:
    """Return the padding before a clip whose first frames are `x`."""
    if mode == "reflect":
        return x[:, 1 : count + 1].flip(1)
    if mode == "replicate":
        return x[:, :1].expand(-1, count, -1)
    return x.new_zeros(x.shape[0], count, x.shape[2])


class Window:
    """Buffer the frames that a kernel of `reach + 1` frames still needs, and pad the clip's two edges."""

    def __init__(self, reach: int, left: int, right: int, mode: str) -> None:
        self._reach, self._left, self._right, self._mode = reach, left, right, mode
        self._buffered: Tensor | None = None
        self._begun = False
        self.given = 0  # outputs so far

    def slide(self, x: Tensor, last: bool) -> Tensor:
        """Return all frames that the kernel may now slide over; with `reach` frames or fewer it cannot yet."""
        frames = x if self._buffered is None else torch.cat((self._buffered, x), dim=1)
        needed = max(self._left, self._right) + 1 if self._mode == "reflect" else 1
        if not self._begun and not last and frames.shape[1] < needed:
            self._buffered = frames
            return x[:, :0]
        left = 0 if self._begun else self._left
        self._begun = True
        frames = edge_padded(frames, left, self._right if last else 0, self._mode)
        outputs = max(0, frames.shape[1] - self._reach)
        self._buffered = frames[:, outputs:].clone()  # a copy: a view would keep all the frames alive
        self.given += outputs
        return frames


class Kernel:
    """Slide a kernel over frames, one matrix per tap: out[t] = bias + sum over j of in[t + j * dilation] @ taps[j]."""

    def __init__(self, taps: Sequence[Tensor], bias: Tensor, dilation: int = 1) -> None:
        self.taps, self.bias, self.dilation = tuple(taps), bias, dilation
        self.reach = (len(self.taps) - 1) * dilation
        self.channels = bias.shape[0]
        # With few outputs, all taps in one product and then a sum of shifted columns reads the input only once.
        narrow = len(self.taps) > 1 and len(self.taps) * self.channels <= self.taps[0].shape[0]
        self._joined = torch.cat(self.taps, dim=1) if narrow else None

    def __call__(self, x: Tensor) -> Tensor:
        batch, frames, channels = x.shape
        if frames <= self.reach:
            return x.new_empty(batch, 0, self.channels)
        # The batch in one product. The rows that span two clips are nonsense, and cut off at the end.
        out = x.new_empty(batch * frames, self.channels)
        rows = batch * frames - self.reach
        self._fill(out[:rows], x.reshape(batch * frames, channels))
        return out.view(batch, frames, self.channels)[:, : frames - self.reach]

    def _fill(self, out: Tensor, flat: Tensor) -> None:
        rows, starts = out.shape[0], [j * self.dilation for j in range(len(self.taps))]
        if self._joined is not None:
            columns = (flat @ self._joined).split(self.channels, dim=1)
            out.copy_(self.bias.expand_as(out))
            for column, start in zip(columns, starts, strict=True):
                out += column[start : start + rows]
            return
        torch.addmm(self.bias, flat[:rows], self.taps[0], out=out)
        for tap, start in zip(self.taps[1:], starts[1:], strict=True):
            out.addmm_(flat[start : start + rows], tap)


@dataclass(frozen=True)
class Convolution:
    """Convolve frames, padding the clip's edges."""

    kernel: Kernel
    left: int
    right: int
    mode: str

    def begin(self) -> Window:
        return Window(self.kernel.reach, self.left, self.right, self.mode)

    def run(self, x: Tensor, memory: Window, last: bool) -> Tensor:
        return self.kernel(memory.slide(x, last))


@dataclass(frozen=True)
class Upsampling:
    """Upsample by a transposed convolution: `stride` outputs a frame, cut by `trim_left` and at the end."""

    kernel: Kernel
    stride: int
    trim_left: int

    def begin(self) -> Window:
        return Window(self.kernel.reach, self.kernel.reach, self.kernel.reach, "constant")

    def run(self, x: Tensor, memory: Window, last: bool) -> Tensor:
        skipped = max(0, self.trim_left - memory.given * self.stride)
        blocks = self.kernel(memory.slide(x, last))  # [batch, frames, stride * channels]
        out = blocks.reshape(blocks.shape[0], blocks.shape[1] * self.stride, self.kernel.channels // self.stride)
        extra = self.kernel.reach * self.stride - self.trim_left if last else 0
        return out[:, skipped : out.shape[1] - extra]


@dataclass(frozen=True)
class Activation:
    """Apply an activation to each number, in place where nothing else reads the input."""

    function: nn.Module
    in_place: bool

    def begin(self) -> None:
        return None

    def run(self, x: Tensor, memory: None, last: bool) -> Tensor:
        if self.in_place and isinstance(self.function, nn.ELU):
            return nn.functional.elu_(x, self.function.alpha)
        activated: Tensor = self.function(x)
        return activated


@dataclass
class ResidualMemory:
    """Hold the streaming state of a residual block and its shortcut."""

    block: list[Any]
    shortcut: list[Any]
    waiting: Tensor | None = None  # shortcut frames whose convolution is not yet settled


@dataclass(frozen=True)
class Residual:
    """Add a block's outputs to its shortcut's, frame by frame."""

    block: Sequence[Layer]
    shortcut: Sequence[Layer]

    def begin(self) -> ResidualMemory:
        return ResidualMemory([layer.begin() for layer in self.block], [layer.begin() for layer in self.shortcut])

    def run(self, x: Tensor, memory: ResidualMemory, last: bool) -> Tensor:
        straight = out = x
        for layer, state in zip(self.shortcut, memory.shortcut, strict=True):
            straight = layer.run(straight, state, last)
        for layer, state in zip(self.block, memory.block, strict=True):
            out = layer.run(out, state, last)
        if memory.waiting is not None:
            straight = torch.cat((memory.waiting, straight), dim=1)
        settled = out.shape[1]
        memory.waiting = straight[:, settled:].clone()
        return out.add_(straight[:, :settled])


def flow(
    layers: Sequence[Layer], memories: Sequence[Any], x: Tensor, last: bool, max_elements: int
) -> Iterator[Tensor]:
    """Pass `x` [batch, frames, channels] through the layers, and yield what comes out, in parts and in order.

    What grows beyond `max_elements` numbers goes on in parts: the clip's length then does not bound the memory, and on
    a CPU the parts stay in its cache.
    """
    for done, (layer, memory) in enumerate(zip(layers, memories, strict=True)):
        if x.numel() > max_elements and x.shape[1] > 1:
            frames = max(1, max_elements // (x.shape[0] * x.shape[2]))
            parts = x.split(frames, dim=1)
            for part in parts:
                yield from flow(layers[done:], memories[done:], part, last and part is parts[-1], max_elements)
            return
        x = layer.run(x, memory, last)
    yield x


class TorchChain:
    """Run a chain of layers over the frames of a stream by torch."""

    def __init__(self, layers: Sequence[Layer], max_elements: int) -> None:
        self.layers, self.max_elements = layers, max_elements

    def begin(self) -> list[Any]:
        """Return every layer's state before a clip's first frame."""
        return [layer.begin() for layer in self.layers]

    def run(self, x: Tensor, memory: list[Any], last: bool) -> Iterator[Tensor]:
        """Yield what comes of the next frames, in parts and in order. [batch, frames, channels] in and out"""
        return flow(self.layers, memory, x, last, self.max_elements)
