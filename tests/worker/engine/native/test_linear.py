"""Products by every kind of kernels here: as torch's, bitwise the same in any company, and honest about faults."""

from __future__ import annotations

import pytest
import torch

from worker.engine.core.types import Precision
from worker.engine.native.linear import FLOAT_ROWS, Arena, NativeLinear, takes_bytes
from worker.engine.native.loader import Kernels, all_kernels

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "int8")
SHAPES = [(1, 4), (63, 36), (64, 64), (65, 260), (200, 1024)]  # outputs that fill no whole group, and inputs
COUNTS = (1, 2, 3, 4, 5, 6, 7, 12, 13, 33)  # rows
FINFO = torch.finfo(torch.float32)

everywhere = pytest.mark.parametrize("kernels", all_kernels(), ids=lambda kernels: kernels.name)
in_every_precision = pytest.mark.parametrize("precision", PRECISIONS)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def as_packed(weight: torch.Tensor, precision: Precision) -> torch.Tensor:
    """Return a weight as that precision keeps it."""
    if precision == "int8":
        scales = weight.abs().amax(dim=1, keepdim=True) / 127
        return (weight / scales).round() * scales
    return weight.bfloat16().float() if precision == "bf16" else weight


def as_bytes(x: torch.Tensor) -> torch.Tensor:
    """Return rows as they are with 8 bits and a scale each."""
    scales = x.abs().amax(dim=1, keepdim=True) / 127
    return (x / scales).round() * scales


@everywhere
@in_every_precision
@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
def test_products_are_torchs_within_rounding(kernels: Kernels, precision: Precision, outputs: int, inputs: int) -> None:
    weight, bias, x = random(outputs, inputs, seed=1), random(outputs, seed=2), random(33, inputs, seed=3)
    linear, packed = NativeLinear(kernels, weight, bias, precision, Arena()), as_packed(weight, precision)
    size = torch.nn.functional.linear(x.abs(), packed.abs())
    for rows in COUNTS:
        by_bytes = takes_bytes(kernels, precision, rows)
        taken = as_bytes(x[:rows]) if by_bytes else x[:rows]
        expected = torch.nn.functional.linear(taken.double(), packed.double(), bias.double())
        # what lies halfway between two steps of 8 bits may be rounded to either
        allowed = size[:rows] * (2e-3 if precision == "int8" else 2e-6) + 1e-6
        assert ((linear(x[:rows]) - expected).abs() <= allowed).all(), rows


@everywhere
@in_every_precision
def test_a_row_is_bitwise_the_same_alone_and_among_thirty_three(kernels: Kernels, precision: Precision) -> None:
    linear = NativeLinear(kernels, random(130, 100), None, precision, Arena())
    x = random(33, 100, seed=4)
    together = linear(x)
    for first in range(33):
        for rows in range(1, 34 - first):
            if takes_bytes(kernels, precision, rows) == takes_bytes(kernels, precision, 33):
                assert torch.equal(linear(x[first : first + rows]), together[first : first + rows])


@everywhere
@in_every_precision
@pytest.mark.parametrize("fault", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("rows", [1, FLOAT_ROWS, FLOAT_ROWS + 1, 20])
def test_what_is_no_number_comes_out_as_none_and_in_its_own_row_alone(
    kernels: Kernels, precision: Precision, fault: float, rows: int
) -> None:
    linear = NativeLinear(kernels, random(70, 64), random(70), precision, Arena())
    x = random(rows, 64, seed=5)
    x[rows - 1, 17] = fault
    y = linear(x)
    assert not y[rows - 1].isfinite().any()
    assert y[: rows - 1].isfinite().all()


@everywhere
@in_every_precision
@pytest.mark.parametrize("rows", [2, 9])
def test_rows_of_zeros_and_of_the_smallest_numbers_give_the_bias(
    kernels: Kernels, precision: Precision, rows: int
) -> None:
    bias = random(70)
    linear = NativeLinear(kernels, random(70, 64), bias, precision, Arena())
    for value in (0.0, FINFO.smallest_normal, 1e-44):
        assert torch.allclose(linear(torch.full((rows, 64), value)), bias.expand(rows, 70), rtol=0, atol=1e-9), value


@everywhere
@in_every_precision
@pytest.mark.parametrize("rows", [2, 9])
def test_huge_rows_are_right_or_no_numbers(kernels: Kernels, precision: Precision, rows: int) -> None:
    """Sums that leave float32's range are infinite, and no wrong number."""
    weight = random(70, 64)
    linear, packed = NativeLinear(kernels, weight, None, precision, Arena()), as_packed(weight, precision)
    x = random(rows, 64, seed=6)
    size = torch.nn.functional.linear(x.abs(), packed.abs())
    for power in (1e25, 1e30, 1e37):
        y = linear(x * power)
        right = (y / power - x @ packed.T).abs() <= size * (1e-2 if precision == "int8" else 1e-5)
        assert (right | ~y.isfinite()).all(), power
        assert power > 1e25 or y.isfinite().all()
