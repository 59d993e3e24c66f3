"""An LSTM by the kernels gives what torch's gives, and a row the same alone, in company and cut into parts."""

from __future__ import annotations

import pytest
import torch

from worker.engine.native.loader import Kernels, all_kernels
from worker.engine.native.recurrence import FRAMES_AT_ONCE, NativeLSTM

CLOSE = 2e-6
SHAPES = {"whole vectors": (64, 64, 2), "units that fill up": (20, 20, 2), "other inputs": (7, 33, 3)}
State = tuple[torch.Tensor, torch.Tensor]


def an_lstm(inputs: int, hidden: int, layers: int) -> torch.nn.LSTM:
    torch.manual_seed(1)
    return torch.nn.LSTM(inputs, hidden, layers).eval()


def some_frames(lstm: torch.nn.LSTM, rows: int, frames: int = 2 * FRAMES_AT_ONCE + 5) -> tuple[torch.Tensor, State]:
    state = torch.randn(2, lstm.num_layers, rows, lstm.hidden_size)
    return 3 * torch.randn(frames, rows, lstm.input_size), (state[0], state[1])


@pytest.fixture(params=all_kernels(), ids=lambda kernels: kernels.name)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    each: Kernels = request.param
    return each


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 2, 4, 6, 9])
@torch.inference_mode()
def test_it_gives_what_torch_gives_for_any_shape_and_number_of_rows(kernels: Kernels, shape: str, rows: int) -> None:
    lstm = an_lstm(*SHAPES[shape])
    x, state = some_frames(lstm, rows)
    (y, ends), (expected, expected_ends) = NativeLSTM(kernels, lstm)(x, state), lstm(x, state)
    for ours, theirs in zip((y, *ends), (expected, *expected_ends), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < CLOSE


@torch.inference_mode()
def test_a_row_is_bitwise_the_same_alone_and_in_parts_of_any_length(kernels: Kernels) -> None:
    lstm = an_lstm(64, 64, 2)
    native, (x, (h, c)) = NativeLSTM(kernels, lstm), some_frames(lstm, 7)
    together, _ = native(x, (h, c))
    for row in range(7):
        mine = slice(row, row + 1)
        state, parts = (h[:, mine], c[:, mine]), []
        for part in x[:, mine].split([1, 20, 3, len(x) - 24]):
            y, state = native(part, state)
            parts.append(y)
        assert torch.equal(torch.cat(parts), together[:, mine])


@torch.inference_mode()
def test_the_state_that_was_given_is_left_as_it_was(kernels: Kernels) -> None:
    lstm = an_lstm(64, 64, 2)
    x, (h, c) = some_frames(lstm, 2)
    before = h.clone(), c.clone()
    NativeLSTM(kernels, lstm)(x, (h, c))
    assert torch.equal(h, before[0])
    assert torch.equal(c, before[1])


@torch.inference_mode()
def test_gates_are_right_for_inputs_of_every_size_and_what_is_no_number_stays_none(kernels: Kernels) -> None:
    lstm = an_lstm(1, 1, 1)
    with torch.no_grad():
        for weight, value in zip(lstm.all_weights[0], ([1, 0, 1, 1], [0] * 4, [0] * 4, [0] * 4), strict=True):
            weight.copy_(torch.tensor(value).view_as(weight))
    sizes = torch.logspace(-30, 30, 601)
    x = torch.cat((sizes, -sizes, torch.tensor([0.0, torch.nan])))[None, :, None]
    state = torch.zeros(1, x.shape[1], 1)
    y, (_, c) = NativeLSTM(kernels, lstm)(x, (state, state))
    exact = x[0].double()
    expected = exact.sigmoid() * exact.tanh()
    assert y[0, -1].isnan()
    close = {"rtol": 5e-7, "atol": 0.0, "equal_nan": True}
    larger = expected.abs().nan_to_num(1.0) > 1e-30  # below, float32 has fewer digits
    torch.testing.assert_close(c[0].double()[larger], expected[larger], **close)
    assert (c[0].double() - expected)[~larger].abs().max() < 1e-30
