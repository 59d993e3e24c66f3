"""Measure the memory's bandwidth, and compute how little a clip has to read.

A decode step reads every weight once, whatever the batch size, and each sequence's keys and values once. Divided by the
bandwidth measured in the same run, that is the time no step can beat. Large batches on a CPU are bound by arithmetic
before; their fraction says how far.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from bench.shapes import CODEBOOKS, Shape
from worker.engine.core.types import Precision
from worker.engine.model.linear import DTYPES

BLOCK_BYTES = 2**30  # far more than any cache
ROUNDS = 5
INT8_SCALE_BYTES = 4  # per output of a matrix, and per head of a position


def bandwidth_gb_s(device: str, block_bytes: int = BLOCK_BYTES) -> float:
    """Return the faster of a sum over a large block and a product with one vector, both read only, by all cores.

    The best of five each: the bound is what memory can do. A plain loop over vectors in C, two threads, read no faster.
    """
    block = torch.ones(block_bytes // 2**14, 2**12, device=device)  # [rows, columns] float32
    vector = torch.ones(2**12, device=device)
    return max(_speed(lambda: block.sum(), block.nbytes, device), _speed(lambda: block @ vector, block.nbytes, device))


def _speed(read: Any, block_bytes: int, device: str) -> float:
    read()
    synchronize(device)
    seconds = []
    for _ in range(ROUNDS):
        began_at = time.perf_counter()
        read()
        synchronize(device)
        seconds.append(time.perf_counter() - began_at)
    return block_bytes / min(seconds) / 1e9


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; a CPU has when a call returns."""
    if device != "cpu":
        torch.cuda.synchronize()


def bytes_per_clip(shape: Shape, precision: Precision, kv_precision: Precision, batch_size: int, frames: int) -> float:
    """Return the bytes that all decode steps of a batch have to read, guidance on: weights, keys and values."""
    steps = frames + CODEBOOKS - 1
    positions = batch_size * 2 * (steps + 1) / 2  # of a step, on average
    return steps * (weight_bytes(shape, precision) + positions * bytes_per_position(shape, kv_precision))


def bandwidth_share(
    shape: Shape, precision: Precision, kv_precision: Precision, positions: float, step_ms: float, gb_s: float
) -> float:
    """Return the share of a step that its reading would take: the weights, and the positions of all rows together."""
    read = weight_bytes(shape, precision) + positions * bytes_per_position(shape, kv_precision)
    return read / (step_ms / 1000) / gb_s / 1e9


def weight_bytes(shape: Shape, precision: Precision) -> int:
    """Return the bytes of the matrices that every step reads: not those of the text's keys and values."""
    dim, layers = shape.dim, shape.layers
    # self-attention's four, cross-attention's two for the queries and the output, and the two of four times the width
    outputs = layers * (4 * dim + 2 * dim + 4 * dim) + CODEBOOKS * shape.card
    numbers = outputs * dim + layers * dim * 4 * dim
    if precision == "int8":
        return numbers + (outputs + layers * dim) * INT8_SCALE_BYTES
    return numbers * DTYPES[precision].itemsize


def bytes_per_position(shape: Shape, kv_precision: Precision) -> int:
    """Return the bytes of a position's keys and values of one half, in all layers; in 8 bits each head has a scale."""
    numbers = 2 * shape.layers * shape.dim
    if kv_precision == "int8":
        return numbers + 2 * shape.layers * shape.heads * INT8_SCALE_BYTES
    return numbers * DTYPES[kv_precision].itemsize
