"""Run an LSTM by the kernels of this CPU (`NativeLSTM`)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from worker.engine.native.linear import Arena, NativeLinear
from worker.engine.native.loader import Kernels
from worker.engine.native.structures import Recurrence

GATES = 4  # i, f, g and o, in torch's order; as many as a group has vectors
FRAMES_AT_ONCE = 16  # the decode steps of songs in the making wait for a call to end: some 15 ms at small's width


class NativeLSTM:
    """Run an LSTM of float32; a row's result does not depend on the other rows, nor on how the frames are cut."""

    def __init__(self, kernels: Kernels, lstm: nn.LSTM) -> None:
        self._kernels, self._vector = kernels, kernels.group // GATES
        self._hidden, arena = lstm.hidden_size, Arena()
        self.units = -(-self._hidden // self._vector) * self._vector  # with those that fill the last vector up
        self._layers = [self._packed(weights, arena) for weights in lstm.all_weights]

    def _packed(self, weights: Sequence[Tensor], arena: Arena) -> tuple[NativeLinear, NativeLinear]:
        """Pack a layer's weights: of the input, with both biases, and of the frame before."""
        w_in, w_back, b_in, b_back = (each.detach().float() for each in weights)
        bias = self._by_units((b_in + b_back)[:, None])[:, 0]
        known = NativeLinear(self._kernels, self._by_units(self._widened(w_in)), bias, "fp32", arena)
        return known, NativeLinear(self._kernels, self._by_units(self._widened(w_back)), None, "fp32", arena)

    def _widened(self, weight: Tensor) -> Tensor:
        """Add inputs for the units that fill up, where the inputs are units. [outputs, inputs] -> [outputs, units]"""
        return self._filled(weight, 1) if weight.shape[1] == self._hidden else weight

    def _filled(self, x: Tensor, dim: int) -> Tensor:
        """Add zeros for the units that fill up."""
        shape = list(x.shape)
        shape[dim] = self.units - self._hidden
        return torch.cat((x, x.new_zeros(shape)), dim=dim)

    def _by_units(self, weight: Tensor) -> Tensor:
        """Order a weight's outputs such that each group has the gates of the same units. -> [4 units, inputs]"""
        gates = self._filled(weight.view(GATES, self._hidden, -1), 1)
        return gates.view(GATES, -1, self._vector, weight.shape[1]).transpose(0, 1).reshape(GATES * self.units, -1)

    def __call__(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run as nn.LSTM does. x [frames, rows, channels], (h, c) [layers, rows, hidden] -> its last h, (h, c)"""
        h, c = (self._filled(each, 2) for each in state)
        if x.shape[2] == self._hidden:
            x = self._filled(x, 2)
        parts = []
        for part in x.split(FRAMES_AT_ONCE):
            for layer in range(len(self._layers)):
                part = self._run_layer(layer, part, h[layer], c[layer])
            parts.append(part)
        return torch.cat(parts)[..., : self._hidden], (h[..., : self._hidden], c[..., : self._hidden])

    def _run_layer(self, layer: int, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        """Run one layer, and leave its state in h, c [rows, units]. [frames, rows, inputs] -> [frames, rows, units]"""
        frames, rows, inputs = x.shape
        known, back = self._layers[layer]
        gates = known(x.reshape(frames * rows, inputs))
        out = torch.empty(1 + frames, rows, self.units)
        out[0] = h
        pointers = gates.data_ptr(), out.data_ptr(), c.data_ptr()
        self._kernels.recur(Recurrence(ctypes.pointer(back.matrix), *pointers, rows, frames))
        h.copy_(out[frames])
        return out[1:]
