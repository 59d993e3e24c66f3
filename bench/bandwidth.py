"""Measure the memory's bandwidth, and compute how little a clip has to read.

A decode step reads every weight once, whatever the batch size, and each sequence's keys and values once. Divided by the
bandwidth measured in the same run, that is the time no step can beat. Large batches on a CPU are bound by arithmetic
before; their fraction says how far.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from worker.engine.core.types import Precision
from worker.engine.model.linear import DTYPES
from worker.engine.runners.paged_kv_cache import PAGE, Int8KvCache, PagedKvCache

BLOCK_BYTES = 2**30  # far more than any cache
ROUNDS = 5
INT8_SCALE_BYTES = 4  # per output of a matrix


def bandwidth_gb_s(device: str, block_bytes: int = BLOCK_BYTES) -> float:
    """Return the faster of a sum over a large block and a product with one vector, both read only. Medians of five."""
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
    return block_bytes / statistics.median(seconds) / 1e9


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; a CPU has when a call returns."""
    if device != "cpu":
        torch.cuda.synchronize()


def bytes_per_clip(lm: Any, precision: Precision, batch_size: int, frames: int) -> float:
    """Return the bytes that all decode steps of a batch have to read, guidance on: weights, keys and values."""
    steps = frames + int(lm.num_codebooks) - 1
    mean_positions = (steps + 1) / 2
    return steps * (weight_bytes(lm, precision) + batch_size * 2 * mean_positions * bytes_per_position(lm, precision))


def weight_bytes(lm: Any, precision: Precision) -> int:
    """Return the bytes of the matrices that every step reads: not those of the text's keys and values."""
    matrices = [linear.weight for linear in lm.linears]
    total = 0
    for layer in lm.transformer.layers:
        matrices += [layer.self_attn.in_proj_weight, layer.self_attn.out_proj.weight]
        matrices += [layer.linear1.weight, layer.linear2.weight]
        if layer.cross_attention is not None:
            matrices.append(layer.cross_attention.out_proj.weight)
            matrices.append(layer.cross_attention.in_proj_weight.chunk(3)[0])
    for matrix in matrices:
        if precision == "int8":
            total += matrix.numel() + len(matrix) * INT8_SCALE_BYTES
        else:
            total += matrix.numel() * DTYPES[precision].itemsize
    return total


def bytes_per_position(lm: Any, precision: Precision) -> float:
    """Return the bytes of one position's keys and values of one half, in all layers, as the engine caches them."""
    layers, dim = len(lm.transformer.layers), int(lm.dim)
    heads = lm.transformer.layers[0].self_attn.num_heads
    if next(lm.parameters()).device.type != "cpu":
        return layers * 2 * dim * DTYPES[precision].itemsize
    kind = Int8KvCache if precision == "int8" else PagedKvCache
    return kind.bytes_for(layers, heads, dim // heads) / PAGE
