"""A step in one call of C has the logits of a step by torch: with text and without, over pages, in both halves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.worker.engine.parity import largest_distance, our_logits
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.model.loading import load_musicgen
from worker.engine.native.loader import Kernels, all_kernels

pytestmark = pytest.mark.slow

REQUEST = EngineRequest("slow sad piano in A minor", 3.0)
FRAMES = 80  # more than a page
# of the largest logit; torch rounds activations to bf16 and int8 in its own places
ALLOWED: dict[Precision, float] = {"fp32": 2e-6, "bf16": 0.02, "int8": 0.05}


@pytest.mark.parametrize("kernels", all_kernels(), ids=lambda kernels: kernels.name)
@pytest.mark.parametrize("shape", ["text", "tiny"])
@pytest.mark.parametrize("precision", list(ALLOWED))
def test_logits_are_torchs_step_by_step(
    checkpoint: Callable[[str], Path], kernels: Kernels, shape: str, precision: Precision
) -> None:
    model = load_musicgen(checkpoint(shape))
    size = model.lm.num_codebooks, FRAMES
    codes = torch.randint(model.lm.card, size, generator=torch.Generator().manual_seed(0))
    ours = our_logits(model, REQUEST, codes, precision, lambda: kernels)
    theirs = our_logits(model, REQUEST, codes, precision, lambda: None)
    steps, distance, largest = largest_distance(ours, theirs)
    print(f"{distance / largest:.2e}")
    assert steps > FRAMES
    assert distance < ALLOWED[precision] * largest
