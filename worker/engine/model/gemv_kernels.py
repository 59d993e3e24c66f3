"""Multiply a large matrix with one to four rows, reading each weight once for all of them. For the CPU.

One sequence's step has two rows, two sequences' four, and what it costs is reading the weights. A library's product of
two rows reads them at a third of the memory's speed, since it is made for many rows; these kernels reach nearly all of
it. They are compiled for this very CPU when first called (by numba, kept on disk where a folder can be written). An
output is one thread's, so a result does not depend on how many there are.

Weights in 8 bits are widened as they are read, and activations stay float32.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba.np.ufunc.parallel import get_thread_count

MAX_ROWS = {torch.float32: 4, torch.int8: 2}  # where these kernels are the faster ones
BLOCK = 16  # outputs that a thread takes at once

# Sums may be taken in any order, which lets them be vectors. Nothing is assumed away: a NaN comes out as one.
FAST = {"reassoc", "contract", "nsz"}

_one_at_a_time = threading.Lock()  # numba's simplest thread pool ends the process when two threads use it at once


class GemvKernel:
    """Multiply few rows with one weight [outputs, inputs], float32, or int8 with `scales` [outputs]; not copied."""

    def __init__(self, weight: torch.Tensor, scales: torch.Tensor | None, bias: torch.Tensor | None) -> None:
        outputs = len(weight)
        self._weight = weight.detach().contiguous().numpy()
        self._scales = (torch.ones(outputs) if scales is None else scales.float()).numpy()
        self._bias = (torch.zeros(outputs) if bias is None else bias.detach().float()).numpy()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return x times the weight, plus the bias. [1 to 4 rows, inputs] float32 -> [rows, outputs]"""
        rows = len(x)
        if rows == 3:
            x = torch.cat([x, x.new_zeros(1, x.shape[1])])
        y = x.new_empty(len(x), len(self._weight))
        with _one_at_a_time:
            KERNELS[len(x)](self._weight, self._scales, self._bias, x.contiguous().numpy(), y.numpy())
        return y[:rows]


def use_threads(count: int) -> None:
    """Use so many threads for the calling thread's products from now on."""
    numba.set_num_threads(min(count, get_thread_count()))


def _compiled(kernel: Callable[..., None]) -> Any:
    def njit(cache: bool) -> Any:
        return numba.njit(cache=cache, parallel=True, fastmath=FAST, nogil=True)(kernel)

    try:
        return njit(cache=True)
    except RuntimeError:  # there is no folder to keep it in
        return njit(cache=False)


def _one_row(weight: Any, scales: Any, bias: Any, x: Any, y: Any) -> None:
    outputs, inputs = weight.shape
    for block in numba.prange((outputs + BLOCK - 1) // BLOCK):
        for i in range(block * BLOCK, min(outputs, (block + 1) * BLOCK)):
            a = np.float32(0)
            for j in range(inputs):
                a += np.float32(weight[i, j]) * x[0, j]
            y[0, i] = a * scales[i] + bias[i]


def _two_rows(weight: Any, scales: Any, bias: Any, x: Any, y: Any) -> None:
    outputs, inputs = weight.shape
    for block in numba.prange((outputs + BLOCK - 1) // BLOCK):
        for i in range(block * BLOCK, min(outputs, (block + 1) * BLOCK)):
            a, b = np.float32(0), np.float32(0)
            for j in range(inputs):
                w = np.float32(weight[i, j])
                a += w * x[0, j]
                b += w * x[1, j]
            y[0, i] = a * scales[i] + bias[i]
            y[1, i] = b * scales[i] + bias[i]


def _four_rows(weight: Any, scales: Any, bias: Any, x: Any, y: Any) -> None:
    outputs, inputs = weight.shape
    for block in numba.prange((outputs + BLOCK - 1) // BLOCK):
        for i in range(block * BLOCK, min(outputs, (block + 1) * BLOCK)):
            a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for j in range(inputs):
                w = np.float32(weight[i, j])
                a += w * x[0, j]
                b += w * x[1, j]
                c += w * x[2, j]
                d += w * x[3, j]
            y[0, i] = a * scales[i] + bias[i]
            y[1, i] = b * scales[i] + bias[i]
            y[2, i] = c * scales[i] + bias[i]
            y[3, i] = d * scales[i] + bias[i]


KERNELS = {1: _compiled(_one_row), 2: _compiled(_two_rows), 4: _compiled(_four_rows)}
