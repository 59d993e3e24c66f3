"""Pack a matrix for decoding: few rows, the same weights at every step (`Packer`).

On a CPU the weights are what a step costs, so they are packed once for the kernels that read them fastest: those in C
(worker/engine/native), where they were compiled. Elsewhere there is a class for each precision, and few rows go to
kernels that numba compiles (gemv_kernels.py). int8 scales each row of activations by its own largest value: a scale
over the full batch would let one sequence change the others.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from worker.engine.core.types import Precision
from worker.engine.model.gemv_kernels import MAX_ROWS, GemvKernel
from worker.engine.native.linear import Arena, NativeLinear
from worker.engine.native.loader import Kernels

PackedLinear = Callable[[torch.Tensor], torch.Tensor]  # [rows, inputs] -> [rows, outputs]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float32}
FEW_ROWS = {"fp32": MAX_ROWS[torch.float32], "int8": MAX_ROWS[torch.int8]}  # multiplied by kernels of our own
LARGE = 1 << 19  # weights: a smaller matrix is not what a step waits for
ROWS_HINT = 16  # what the packed layout is chosen for; any number of rows works
# Activations keep 7 bits: without VNNI, products of 8 x 8 bits can overflow their 16-bit sums
ACTIVATION_SCALE, ACTIVATION_ZERO = 1 / 63, 64


def activations(precision: Precision, kernels: Kernels | None) -> torch.dtype:
    """Return the activations' type: the kernels in C keep float32 beside every precision."""
    return torch.float32 if kernels is not None else DTYPES[precision]


class Packer:
    """Pack weights for one precision, by the kernels in C if they are given."""

    def __init__(self, precision: Precision, kernels: Kernels | None = None) -> None:
        self.precision, self.kernels = precision, kernels
        self._arena = Arena()

    def __call__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> PackedLinear:
        """Pack a weight [outputs, inputs] on its device. int8 is for the CPU alone: ValueError elsewhere."""
        if self.kernels is not None:
            return NativeLinear(self.kernels, weight, bias, self.precision, self._arena)
        return pack(weight, bias, self.precision)


def pack(weight: torch.Tensor, bias: torch.Tensor | None, precision: Precision) -> PackedLinear:
    """Pack a weight [outputs, inputs] on its device for torch's kernels. int8 is for the CPU alone.

    Raises ValueError for int8 elsewhere.
    """
    if precision == "int8":
        if weight.device.type != "cpu":
            raise ValueError("int8 runs on the CPU only; use bf16 or fp16 on this device")
        return Int8Linear(weight, bias)
    dtype = DTYPES[precision]
    weight = weight.detach().to(dtype)
    bias = None if bias is None else bias.detach().to(dtype)
    if weight.device.type == "cpu" and dtype is torch.float32 and torch.backends.mkldnn.is_available():
        return BlockedLinear(weight, bias)
    return PlainLinear(weight, bias)


class PlainLinear:
    """Multiply with torch's own kernels, as they are on the device."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._weight = weight.contiguous()
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self._weight, self._bias)


class BlockedLinear:
    """Multiply float32 in oneDNN's blocked layout: 1.3 to 3 times as fast as the plain one at 2 to 32 rows.

    Few rows are multiplied with the weight as it was given, which the model keeps anyway.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._few = GemvKernel(weight, None, bias) if weight.numel() >= LARGE else None
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS_HINT)
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._few is not None and len(x) <= FEW_ROWS["fp32"]:
            return self._few(x)
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return y


class Int8Linear:
    """Multiply weights of 8 bits (a scale per output) with activations of 7 (a scale per row), in 32-bit sums.

    Few rows are multiplied as they are, with weights that are kept a second time for it.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        weight = weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp_(min=1e-12).div_(127)  # [outputs]
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        quantized = torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8)
        self._few = GemvKernel(quantized.int_repr(), scales, bias) if weight.numel() >= LARGE else None
        self._packed = torch.ops.quantized.linear_prepack(quantized, None)
        self._bias = None if bias is None else bias.detach().float()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._few is not None and len(x) <= FEW_ROWS["int8"]:
            return self._few(x)
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=1e-12)  # [rows, 1]
        # every row now spans [-1, 1], so one fixed scale serves them all and none depends on another
        y: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            x / largest, ACTIVATION_SCALE, ACTIVATION_ZERO, self._packed
        )
        y = y.mul_(largest)
        return y if self._bias is None else y.add_(self._bias)
