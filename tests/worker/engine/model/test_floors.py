"""int8 against float32 on the shipped model, after guidance, which amplifies what is off: by numbers, and by ear."""

from __future__ import annotations

import pytest
import torch

from bench.floors import Drop, broken, compare, measure
from shared.settings import ROOT
from tests.worker.engine.parity import our_logits
from worker.engine.core.types import EngineRequest, Precision
from worker.engine.model.loading import load_musicgen

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "models" / "tiny"
PROMPTS = ["piano, 68 bpm, no drums", "synth, 150 bpm, with drums", "a slow organ piece in A minor"]
GUIDANCE = 3.0
MOST_MASS_MOVED = 0.08  # of the distribution that a token is drawn from, in the mean


def test_int8_moves_little_of_the_shipped_models_distribution_after_guidance() -> None:
    model = load_musicgen(SHIPPED)
    model.set_generation_params(duration=1.0, cfg_coef=GUIDANCE)
    for prompt in PROMPTS:
        torch.manual_seed(0)
        _, codes = model.generate([prompt], return_tokens=True)  # float32's own music, then given to both

        def guided(precision: Precision, prompt: str = prompt, codes: torch.Tensor = codes[0]) -> torch.Tensor:
            steps = torch.stack(list(our_logits(model, EngineRequest(prompt, 1.0), codes, precision)))
            cond, null = steps.unbind(1)  # [steps, codebooks, card] each
            return (null + (cond - null) * GUIDANCE).softmax(dim=-1)

        moved = (guided("int8") - guided("fp32")).abs().sum(dim=-1) / 2  # [steps, codebooks], total variation
        assert 0 < float(moved.mean()) < MOST_MASS_MOVED


def test_a_drop_is_found_and_named() -> None:
    full, worse = (
        {"prompt": [1.0, 1.0, 0.0, 1.0], "key": [1.0, 0.0]},
        {"prompt": [1.0, 0.0, 0.0, 1.0], "key": [0.0, 0.0]},
    )
    drops = compare(full, worse)
    assert (drops["prompt"].full, drops["prompt"].less) == (0.75, 0.25)
    assert broken(drops) == ["prompt"]
    assert broken(compare(full, full)) == []
    assert Drop.of([1.0, 0.0], [0.0, 1.0]).low < 0 < Drop.of([1.0, 0.0], [0.0, 1.0]).high


@pytest.mark.long
def test_int8_keeps_the_shipped_models_hit_rates_within_five_points_of_float32() -> None:
    found = measure(str(SHIPPED), ["fp32", "int8"], captions=120, melodies=40, duration_s=8.0)
    drops = compare(found["fp32"], found["int8"])
    for name, drop in drops.items():
        print(f"\n{name}: float32 {drop.full:.3f}, int8 less by {drop.less:.3f} ({drop.low:.3f} to {drop.high:.3f})")
    assert not broken(drops)
