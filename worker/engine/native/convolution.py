"""Pack the layers of the codec's decoder for the kernels of this CPU (`PackedKernel`)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worker.engine.native.linear import Arena
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import Convolution

STRIPS_IN_A_GROUP = 2  # of outputs: a group has four vectors, a strip two
MOST_FRAMES_IN_A_ROW = 64
CACHE_LINE, CONFLICT = 16, 1024  # numbers: 4 KiB are what a way of the first cache holds


class PackedKernel:
    """Hold a kernel that slides over frames [frames, inputs]: one matrix [inputs, outputs] a tap, and a bias [outputs].

    Where it has few outputs, a row makes several frames at once, so that vectors are full; the weights between a frame
    and the inputs that its taps do not reach are zeros.
    """

    def __init__(self, kernels: Kernels, taps: Sequence[Tensor], bias: Tensor, dilation: int, arena: Arena) -> None:
        self.inputs, self.outputs = taps[0].shape
        self.reach = (len(taps) - 1) * dilation
        self._strip = kernels.group // STRIPS_IN_A_GROUP
        self.frames = self._frames_in_a_row(len(taps)) if dilation == 1 else 1
        self._taps, self._dilation = len(taps), dilation
        weight = self._by_rows(torch.cat(list(taps)).t())  # [outputs, taps * inputs]
        self._width = weight.shape[1]
        self._weight, self._bias = self._packed(weight, arena), self._padded(bias.repeat(self.frames))

    @property
    def pitch(self) -> int:
        """Return how far apart a first layer's frames should lie: in a cache, those at powers of two collide."""
        return self.inputs + CACHE_LINE if self.inputs % CONFLICT == 0 and self.frames == 1 else self.inputs

    def _frames_in_a_row(self, taps: int) -> int:
        """Return how many frames a row makes at the least cost."""

        def cost(frames: int) -> float:
            return -(-frames * self.outputs // self._strip) * (frames + taps - 1) / frames

        return min(range(1, MOST_FRAMES_IN_A_ROW + 1), key=cost)

    def _by_rows(self, weight: Tensor) -> Tensor:
        """Repeat a frame's weights for each frame of a row, shifted. -> [frames * outputs, inputs of all]"""
        width = weight.shape[1] + (self.frames - 1) * self.inputs
        rows = weight.new_zeros(self.frames, self.outputs, width)
        for frame in range(self.frames):
            begin = frame * self.inputs
            rows[frame, :, begin : begin + weight.shape[1]] = weight
        return rows.flatten(0, 1)

    def _packed(self, weight: Tensor, arena: Arena) -> Tensor:
        """Order a weight by strips of outputs. [outputs, inputs of all] -> [strips, inputs of all, strip]"""
        padded = self._padded(weight)
        by_strips = padded.view(-1, self._strip, weight.shape[1]).transpose(1, 2)
        taken = arena.take(4 * padded.numel()).view(torch.float32).view(by_strips.shape)
        return taken.copy_(by_strips)

    def _padded(self, x: Tensor) -> Tensor:
        """Add outputs of zeros to whole strips."""
        missing = -x.shape[0] % self._strip
        return torch.cat((x, x.new_zeros(missing, *x.shape[1:])))

    @property
    def surplus(self) -> int:
        """Return how many frames it may read and write beyond the last one. They must be numbers."""
        return self.frames - 1

    def layer(
        self, x: int, pitch: int, y: int | None, activated: int | None, more: int | None, frames: int, alpha: float
    ) -> Convolution:
        """Describe a run: x [frames + reach + surplus, pitch], the others [frames + surplus, outputs]."""
        in_one = pitch == self.inputs and self._dilation == 1
        return Convolution(
            weights=self._weight.data_ptr(),
            bias=self._bias.data_ptr(),
            x=x,
            more=more,
            y=y,
            activated=activated,
            alpha=alpha,
            runs=1 if in_one else self._taps,
            run=self._width if in_one else self.inputs,
            apart=self._dilation * pitch,
            stride=self.frames * pitch,
            outputs=self.frames * self.outputs,
            rows=-(-frames // self.frames),
        )
