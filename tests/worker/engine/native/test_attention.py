"""Attention over pages is torch's within what the cache's precision keeps, by every kind of kernels here."""

from __future__ import annotations

import ctypes

import pytest
import torch

from worker.engine.core.types import Precision
from worker.engine.native.linear import Arena, NativeLinear
from worker.engine.native.loader import Kernels, all_kernels
from worker.engine.native.structures import KINDS, LayerWeights, Matrix, Model, NormWeights, Span, Step
from worker.engine.runners.native_kv_cache import PAGE, NativeKvCache

HEADS = 3
LENGTHS = (1, 63, 64, 65, 700)
# of values in [-4, 4]: bfloat16 keeps 8 bits, and 8-bit numbers have a scale for each position and head
ALLOWED: dict[Precision, float] = {"fp32": 2e-6, "bf16": 0.02, "int8": 0.03}


class Attention:
    """Run a layer that does nothing but attend: a row's query, key and value are what it is normalised to."""

    def __init__(self, kernels: Kernels, head_dim: int, precision: Precision) -> None:
        dim = HEADS * head_dim
        self.kernels, self.dim, self.head_dim = kernels, dim, head_dim
        self.norm = torch.ones(dim), torch.zeros(dim)
        eye, arena = torch.eye(dim), Arena()
        weights = eye.repeat(3, 1), eye, torch.zeros(dim, dim), torch.zeros(dim, dim), eye
        self.linears = [NativeLinear(kernels, weight, None, "fp32", arena) for weight in weights]
        qkv, out, widen, narrow, logits = (linear.matrix for linear in self.linears)
        norm = NormWeights(self.norm[0].data_ptr(), self.norm[1].data_ptr(), 1e-5)
        self.layer = LayerWeights(
            norm_attention=norm, norm_feed=norm, qkv=qkv, out=out, cross_queries=Matrix(), widen=widen, narrow=narrow
        )
        pages = len(LENGTHS) * (max(LENGTHS) // PAGE + 1)
        self.cache = NativeKvCache(1, HEADS, head_dim, pages, precision)
        self.cache.describe_cache(0, self.layer)
        self.model = Model(
            1, dim, HEADS, head_dim, self.cache.padded_dim, dim, KINDS[precision], ctypes.pointer(self.layer)
        )
        self.model.logits = logits

    def fill(self, kv: torch.Tensor) -> torch.Tensor:
        """Write keys and values [positions, 2, heads, head_dim] to pages, in no order; return these."""
        pages = torch.tensor(self.cache.allocate(len(kv) // PAGE + 1)[::-1], dtype=torch.int32)
        at = pages.data_ptr(), 0, len(kv), kv.data_ptr()
        self.kernels.table.fill(ctypes.byref(self.model), 0, *at)
        return pages

    def step(self, x: torch.Tensor, pages: list[torch.Tensor], lengths: list[int]) -> torch.Tensor:
        """Return what each row sees, its own position the last. [rows, dim] -> [rows, dim]"""
        rows, spans = len(x), (Span * len(x))()
        for row, (own, length) in enumerate(zip(pages, lengths, strict=True)):
            spans[row] = Span(own.data_ptr(), length, row)
        capacity = -(-max(lengths) // PAGE) * PAGE
        taken, logits = x.clone(), torch.empty(rows, self.dim)
        scratch = [torch.empty(rows, 3 * self.dim) for _ in range(4)]
        scores = torch.empty(self.kernels.threads, capacity)
        step = Step(model=ctypes.pointer(self.model), rows=rows, own=spans, x=taken.data_ptr())
        step.normed, step.qkv, step.seen, step.hidden = (tensor.data_ptr() for tensor in scratch)
        step.logits, step.scores, step.score_capacity = logits.data_ptr(), scores.data_ptr(), capacity
        self.kernels.step(step)
        return logits - x


@pytest.mark.parametrize("kernels", all_kernels(), ids=lambda kernels: kernels.name)
@pytest.mark.parametrize("precision", list(ALLOWED))
@pytest.mark.parametrize("head_dim", [40, 64, 80])
def test_rows_of_all_lengths_attend_as_torchs_do(kernels: Kernels, precision: Precision, head_dim: int) -> None:
    attention, generator = Attention(kernels, head_dim, precision), torch.Generator().manual_seed(head_dim)
    x = torch.randn(len(LENGTHS), attention.dim, generator=generator)
    given = [torch.randn(length - 1, 2, HEADS, head_dim, generator=generator) for length in LENGTHS]
    seen = attention.step(x, [attention.fill(kv) for kv in given], list(LENGTHS))
    own = torch.nn.functional.layer_norm(x, (attention.dim,)).view(-1, HEADS, head_dim)
    for row, kv in enumerate(given):
        keys, values = torch.cat([kv, own[row].expand(1, 2, HEADS, head_dim)]).permute(1, 2, 0, 3)
        expected = torch.nn.functional.scaled_dot_product_attention(own[row][:, None], keys, values)
        distance = float((seen[row] - expected.flatten()).abs().max())
        assert distance < ALLOWED[precision], f"{LENGTHS[row]} positions"


@pytest.mark.parametrize("kernels", all_kernels(), ids=lambda kernels: kernels.name)
@pytest.mark.parametrize("precision", list(ALLOWED))
def test_a_position_that_is_no_number_leaves_no_row_that_sees_it_a_number(
    kernels: Kernels, precision: Precision
) -> None:
    attention = Attention(kernels, 64, precision)
    for half, fault in ((0, float("nan")), (1, float("nan")), (1, float("inf"))):  # of keys, and of values
        kv = torch.randn(70, 2, HEADS, 64)
        other = attention.fill(kv.clone())
        kv[3, half, 1, 9] = fault
        pages = attention.fill(kv)
        seen = attention.step(torch.randn(2, attention.dim), [pages, other], [71, 71])
        assert not seen[0, 64:128].isfinite().all(), (fault, half)
        assert seen[1].isfinite().all()
        attention.cache.free([*pages.tolist(), *other.tolist()])
