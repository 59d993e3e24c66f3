from __future__ import annotations

import threading

import pytest
import torch

from worker.engine.core.types import Precision
from worker.engine.model import gemv_kernels
from worker.engine.model.gemv_kernels import GemvKernel
from worker.engine.model.linear import FEW_ROWS, LARGE, pack

SHAPE = (1000, 600)  # [outputs, inputs]: the last outputs do not fill a block
assert SHAPE[0] * SHAPE[1] >= LARGE


@pytest.fixture(scope="module")
def weight() -> torch.Tensor:
    return torch.randn(*SHAPE, generator=torch.Generator().manual_seed(0)) * 0.05


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, SHAPE[1], generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_float32_is_the_plain_product_to_rounding(weight: torch.Tensor, count: int) -> None:
    x, bias = rows(count), torch.arange(float(len(weight)))
    assert torch.allclose(GemvKernel(weight, None, bias)(x), x @ weight.T + bias, atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
def test_weights_of_eight_bits_are_read_with_their_scales(weight: torch.Tensor, count: int) -> None:
    scales = weight.abs().amax(dim=1) / 127
    narrow = (weight / scales[:, None]).round().to(torch.int8)
    x = rows(count)
    exact = x @ (narrow.float() * scales[:, None]).T
    assert torch.allclose(GemvKernel(narrow, scales, None)(x), exact, atol=1e-4)


@pytest.mark.parametrize("count", [2, 4])
def test_a_row_is_independent_of_the_rows_beside_it(weight: torch.Tensor, count: int) -> None:
    linear, x = GemvKernel(weight, None, None), rows(count)
    changed = x.clone()
    changed[1:] *= 1000
    assert torch.equal(linear(changed)[0], linear(x)[0])


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_nan_and_infinity_stay_in_their_own_row(weight: torch.Tensor, broken: float) -> None:
    linear, x = GemvKernel(weight, None, None), rows(2)
    x[1, 7] = broken
    y = linear(x)
    assert torch.isfinite(y[0]).all()
    assert not torch.isfinite(y[1]).any()


def test_the_number_of_threads_changes_nothing(weight: torch.Tensor) -> None:
    linear, x, results = GemvKernel(weight, None, None), rows(2), list[torch.Tensor]()

    def multiply(threads: int) -> None:
        gemv_kernels.use_threads(threads)
        results.append(linear(x))

    for threads in (1, 2, 1000):
        thread = threading.Thread(target=multiply, args=(threads,))
        thread.start()
        thread.join()
    assert len(results) == 3
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_threads_may_multiply_at_the_same_time(weight: torch.Tensor) -> None:
    linear, x = GemvKernel(weight, None, None), rows(2)
    wanted, agreed = linear(x), list[bool]()

    def multiply() -> None:
        agreed.append(all(torch.equal(linear(x), wanted) for _ in range(50)))

    threads = [threading.Thread(target=multiply) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert agreed == [True] * 3


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_large_matrices_give_few_rows_and_many_the_same_to_rounding(weight: torch.Tensor, precision: Precision) -> None:
    linear = pack(weight, torch.arange(float(len(weight))), precision)
    x = rows(FEW_ROWS[precision])
    few, many = linear(x), linear(torch.cat([x, rows(16)]))[: len(x)]
    error = float((few - many).norm() / (x @ weight.T).norm())
    assert error < (0.025 if precision == "int8" else 1e-5), "7 bits of activations there, all of them here"
    assert not torch.equal(few, many), "few rows have kernels of their own"
