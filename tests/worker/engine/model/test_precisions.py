"""Each available precision runs, names its KV cache's precision, and stays near float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shared.errors import ConfigurationError
from shared.settings import Settings
from tests.worker.engine.parity import largest_distance, our_logits
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.model import decoder as decoder_module
from worker.engine.model import precisions
from worker.engine.model.linear import DTYPES
from worker.engine.model.loading import load_musicgen
from worker.engine_factory import choose_precision
from worker.ladder import Ladder

REQUEST = EngineRequest("slow sad piano", 1.0, seed=3)
HERE = precisions.available("cpu")
OURS = Ladder(("native",))


def settings_with(precision: str) -> Settings:
    return Settings(_env_file=None, precision=precision)


def test_a_cpu_has_float32_first_and_automatic_never_takes_a_half_precision() -> None:
    assert HERE[0] == "fp32"
    assert choose_precision(settings_with("auto"), "cpu", OURS) is None  # the engine chooses, by the model's size
    assert precisions.usual("cpu", 50_000_000, kernels=True) == "fp32"


def test_a_large_model_is_in_8_bits_where_the_kernels_in_c_are_there() -> None:
    large = 300_000_000
    assert precisions.usual("cpu", large, kernels=True) == "int8"
    assert precisions.usual("cpu", large, kernels=False) == "fp32"


def test_a_tiny_model_loaded_without_a_precision_is_float32(checkpoint: Callable[[str], Path]) -> None:
    engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=1, precision=None)
    engine.close()
    assert engine.info.precision == "fp32"


@pytest.mark.parametrize("precision", HERE)
def test_an_available_precision_can_be_chosen_and_the_engine_info_names_it(
    checkpoint: Callable[[str], Path], precision: Precision
) -> None:
    assert choose_precision(settings_with(precision), "cpu", OURS) == precision
    engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=2, precision=precision)
    handles = [engine.submit(REQUEST), engine.submit(EngineRequest("jazz", 0.5, seed=4))]
    first, _ = (handle.result() for handle in handles)
    engine.close()
    assert np.abs(first.waveform).max() > 0.01
    kept = precision if precision != "fp16" else "fp32"  # of fp16, which torch multiplies
    assert (engine.info.precision, engine.info.kv_precision) == (precision, kept)


@pytest.mark.parametrize(
    ("precision", "share"), [(p, s) for p, s in [("int8", 0.06), ("bf16", 0.03), ("fp16", 0.004)] if p in HERE]
)
def test_logits_are_within_a_share_of_the_largest_float32_one(
    checkpoint: Callable[[str], Path], precision: Precision, share: float
) -> None:
    model = load_musicgen(checkpoint("tiny"))
    codes = torch.randint(256, (4, 60), generator=torch.Generator().manual_seed(0))
    ours, full = our_logits(model, REQUEST, codes, precision), our_logits(model, REQUEST, codes)
    _, distance, largest = largest_distance(ours, full)
    assert 0 < distance < share * largest


@pytest.mark.parametrize(("precision", "ladder"), [("bf16", OURS), ("int8", Ladder(("audiocraft",)))])
def test_a_precision_that_does_not_run_is_refused_with_those_that_do(
    monkeypatch: pytest.MonkeyPatch, precision: str, ladder: Ladder
) -> None:
    monkeypatch.setattr(precisions, "runs", lambda name, device: name != "bf16")  # as on a CPU without its kernels
    with pytest.raises(ConfigurationError, match=rf"PRECISION={precision} is not available .* set one of: fp32"):
        choose_precision(settings_with(precision), "cpu", ladder)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_rows_and_norms_are_float32_in_a_half_precision_and_only_products_are_in_it(
    checkpoint: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    """Torch multiplies, as on a GPU; the rows are so large that float16 has no number for them."""
    model, half = load_musicgen(checkpoint("text")), DTYPES[precision]
    for embedding in model.lm.emb:
        embedding.weight.data[:, ::2] = 2e5
    normed: set[torch.dtype] = set()
    multiplied: set[torch.dtype] = set()
    norm, multiply = decoder_module.layer_norm, torch.nn.functional.linear

    def recording_norm(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        normed.update(given.dtype for given in (x, *rest) if isinstance(given, torch.Tensor))
        return norm(x, *rest)

    def recording_product(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        multiplied.add(x.dtype)
        return multiply(x, *rest)

    monkeypatch.setattr(decoder_module, "layer_norm", recording_norm)
    monkeypatch.setattr(torch.nn.functional, "linear", recording_product)
    codes = torch.randint(256, (4, 3), generator=torch.Generator().manual_seed(0))
    for logits in our_logits(model, REQUEST, codes, precision, lambda: None):
        assert logits.isfinite().all()
    assert normed == {torch.float32}
    assert half in multiplied


def test_weights_are_loaded_in_the_precision_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precisions, "runs", lambda name, device: True)
    on_gpu = {precision: precisions.weights_dtype(precision, "cuda") for precision in ("fp32", "bf16", "fp16", None)}
    assert on_gpu == {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, None: torch.float16}
    assert {precisions.weights_dtype(precision, "cpu") for precision in ("fp32", "bf16", "int8", None)} == {
        torch.float32
    }
