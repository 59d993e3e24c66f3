"""How CUDA's libraries compute: set before anything does, and nothing changes it. The state is the host's: no GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.worker.engine.asking import MELODY, make_request
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.codec.recurrence import Recurrence
from worker.engine.core.arithmetic import arithmetic, set_arithmetic
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.runners import cross_kv, prefill, step_attention
from worker.engine.runners.cuda_graphs import BACKENDS

EXACT = {"conv": "ieee", "rnn": "ieee", "matmul": "ieee", "attention": "without cudnn"}


@pytest.fixture
def hosts_defaults() -> Iterator[None]:
    """Compute as NVIDIA's containers have it: TF32 everywhere, cuDNN first."""
    torch.backends.cuda.enable_cudnn_sdp(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    cudnn: Any = torch.backends.cudnn
    for backend in (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul):
        backend.fp32_precision = "tf32"
    assert set(arithmetic().values()) == {"tf32", "cudnn"}
    yield
    set_arithmetic()


@pytest.mark.usefixtures("hosts_defaults")
def test_float32_is_float32_and_attention_goes_past_cudnn_whatever_the_host_has() -> None:
    set_arithmetic()
    assert arithmetic() == EXACT
    assert not torch.backends.cudnn.allow_tf32  # raises where the old names and the new ones disagree
    assert not torch.backends.cuda.matmul.allow_tf32
    with torch.nn.attention.sdpa_kernel(BACKENDS):  # which a graph is captured under, and which sets it anew
        assert arithmetic() == EXACT
    assert arithmetic() == EXACT


def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, str]]]:
    """Record the state at each attention, LSTM, convolution and product from now on, in whichever thread."""
    states: dict[str, list[dict[str, str]]] = {}

    def record(name: str, owner: Any, attribute: str) -> None:
        computes, seen = getattr(owner, attribute), states.setdefault(name, [])

        def recording(*arguments: Any, **options: Any) -> Any:
            seen.append(arithmetic())
            return computes(*arguments, **options)

        monkeypatch.setattr(owner, attribute, recording)

    for module in (prefill, cross_kv, step_attention):
        record(module.__name__.rpartition(".")[2], module, "scaled_dot_product_attention")
    record("codec's LSTM", Recurrence, "run_together")
    record("encoder's LSTM", nn.LSTM, "forward")
    record("convolution", nn.Conv1d, "forward")
    record("product", nn.functional, "linear")
    return states


@pytest.mark.usefixtures("hosts_defaults")
def test_nothing_that_a_gpus_engine_computes_is_outside_of_it(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Callable[[str], Path]
) -> None:
    """The runner for CUDA on the CPU: prefill, steps, cross-attention, codec, and the encoder of given audio."""
    folder = checkpoint("text")
    states = recorded(monkeypatch)
    engine = ContinuousBatchingEngine.load(folder, runner="cuda", slots=1)
    try:
        engine.submit(make_request(duration_s=2.1, continue_from=MELODY)).result()
    finally:
        engine.close()
    assert all(states.values()), {name: len(seen) for name, seen in states.items()}
    assert {str(state) for seen in states.values() for state in seen} == {str(EXACT)}


@pytest.mark.usefixtures("hosts_defaults")
def test_audiocrafts_own_loop_computes_so_too(checkpoint: Callable[[str], Path]) -> None:
    AudiocraftEngine.load(checkpoint("text")).close()
    assert arithmetic() == EXACT
