from __future__ import annotations

import pytest
import torch

from worker.engine.model.linear import pack


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(96, 64, generator=torch.Generator().manual_seed(0)) * 0.05


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 64, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 2, 7, 16, 33])
def test_packed_float32_is_the_plain_product_to_rounding(weight: torch.Tensor, count: int) -> None:
    x, bias = rows(count), torch.arange(96.0)
    assert torch.allclose(pack(weight, bias, "fp32")(x), x @ weight.T + bias, atol=1e-5)


def test_int8_is_within_two_percent(weight: torch.Tensor) -> None:
    x = rows(16)
    error = pack(weight, None, "int8")(x) - x @ weight.T
    assert float(error.norm() / (x @ weight.T).norm()) < 0.025


def test_int8_rows_are_independent_of_an_outlier_beside_them(weight: torch.Tensor) -> None:
    x, linear = rows(4), pack(weight, None, "int8")
    changed = x.clone()
    changed[3] *= 1000
    assert torch.equal(linear(changed)[:3], linear(x)[:3])


def test_int8_keeps_a_silent_row_silent(weight: torch.Tensor) -> None:
    assert torch.equal(pack(weight, None, "int8")(torch.zeros(2, 64)), torch.zeros(2, 96))
