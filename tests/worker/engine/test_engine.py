"""The engine's codes equal audiocraft's own, and requests end, stream and fail each by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import ConfigurationError, GenerationFailed, Unavailable
from shared.settings import ROOT
from tests.worker.engine.asking import MELODY, make_request
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.handle import Cancelled
from worker.engine.core.types import Clip, EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.conditioning import Conditions
from worker.engine.model.decoder import refuse_unsupported
from worker.engine.model.info import describe
from worker.engine.model.loading import load_musicgen

pytestmark = pytest.mark.slow

SHIPPED = ROOT / "models" / "tiny"


@pytest.fixture(scope="module")
def load(checkpoint: Callable[[str], Path]) -> Iterator[Callable[..., ContinuousBatchingEngine]]:
    """Engines by shape and options, each loaded once."""
    loaded: dict[tuple[object, ...], ContinuousBatchingEngine] = {}

    def load(shape: str, **options: object) -> ContinuousBatchingEngine:
        key = (shape, *sorted(options.items()))
        if key not in loaded:
            loaded[key] = ContinuousBatchingEngine.load(checkpoint(shape), **{"slots": 8, **options})
        return loaded[key]

    yield load
    for engine in loaded.values():
        engine.close()


RUNNERS = ("cpu", "cuda")


@pytest.mark.parametrize("changes", [{}, {"guidance_scale": 1.0}, {"guidance_scale": 0.0}, {"prompt": "x" * 90}])
@pytest.mark.parametrize("shape", ["text", "tiny", "stereo"])
def test_greedy_codes_are_audiocrafts_own(
    load: Callable[..., ContinuousBatchingEngine],
    checkpoint: Callable[[str], Path],
    shape: str,
    changes: dict[str, object],
) -> None:
    reference = AudiocraftEngine.load(checkpoint(shape))
    asked = make_request(temperature=0.0, **changes)
    expected = reference.submit(asked).result()
    reference.close()
    for runner in RUNNERS:
        made = load(shape, runner=runner).submit(asked).result()
        assert np.array_equal(made.codes, expected.codes)
        assert np.abs(made.waveform - expected.waveform).max() < 1e-5


def test_a_melody_and_a_sliding_window_are_audiocrafts_own(
    checkpoint: Callable[[str], Path], short_windows: Callable[[MusicGen, float, float], None]
) -> None:
    model = load_musicgen(checkpoint("tiny"))
    short_windows(model, 5.5, 5.0)  # hardly more than it slides by, and more than a bucket of the context
    info = describe(model, "random", "cpu")
    asked = make_request(temperature=0.0, melody=MELODY, duration_s=6.0)
    made = []
    for engine in (
        AudiocraftEngine(model, info),
        ContinuousBatchingEngine(model, info, runner="cpu"),
        ContinuousBatchingEngine(model, info, runner="cuda", slots=1),
    ):
        engine.start()
        made.append(engine.submit(asked).result().codes)
        engine.close()
    assert made[0].shape == (4, 300)
    assert np.array_equal(made[1], made[0])
    assert np.array_equal(made[2], made[0])


def test_the_shipped_model_with_a_melody_prefix_and_cross_attended_text_equals_audiocraft() -> None:
    reference = AudiocraftEngine.load(SHIPPED)
    asked = make_request(temperature=0.0, melody=MELODY, duration_s=0.6)
    expected = reference.submit(asked).result()
    reference.close()
    for runner in RUNNERS:
        engine = ContinuousBatchingEngine.load(SHIPPED, slots=2, runner=runner)
        assert np.array_equal(engine.submit(asked).result().codes, expected.codes)
        engine.close()


def test_sampled_codes_are_likely_under_audiocrafts_own_logits(
    load: Callable[..., ContinuousBatchingEngine], checkpoint: Callable[[str], Path]
) -> None:
    """With top_k 3 and no guidance, each code is among the reference's three likeliest, all the way."""
    clip = load("text").submit(make_request(top_k=3, guidance_scale=1.0)).result()
    model = load_musicgen(checkpoint("text"))
    attributes, _ = model._prepare_tokens_and_attributes(["slow sad piano"], None)
    with torch.no_grad():
        predicted = model.lm.compute_predictions(torch.tensor(clip.codes)[None], attributes)
    likeliest = predicted.logits[0].nan_to_num(-1e9).topk(3, dim=-1).indices  # [codebooks, frames, 3]
    hits = (likeliest == torch.tensor(clip.codes)[..., None]).any(-1)[predicted.mask[0]]
    assert bool(hits.all())


def test_a_loaded_engine_keeps_no_second_copy_of_the_language_models_weights(
    load: Callable[..., ContinuousBatchingEngine],
) -> None:
    lm = load("text")._model.lm
    matrices = [*lm.transformer.parameters(), *lm.emb.parameters(), *lm.linears.parameters()]
    assert all(matrix.is_meta for matrix in matrices)


@pytest.mark.parametrize("runner", RUNNERS)
def test_cancelling_frees_the_slot_at_once_and_spares_the_neighbours(
    load: Callable[..., ContinuousBatchingEngine], runner: str
) -> None:
    engine = load("tiny", slots=2, exact=True, runner=runner)
    expected = engine.submit(make_request(duration_s=1.0)).result()
    long, neighbour = engine.submit(make_request(duration_s=30.0)), engine.submit(make_request(duration_s=1.0))
    waiting = engine.submit(make_request(duration_s=1.0))
    while long.progress.step < 5:
        time.sleep(0.005)
    long.cancel()
    assert np.array_equal(neighbour.result().codes, expected.codes)
    assert np.array_equal(waiting.result().codes, expected.codes)
    with pytest.raises(Cancelled):
        long.result()


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_request_with_broken_conditions_fails_alone(
    load: Callable[..., ContinuousBatchingEngine], monkeypatch: pytest.MonkeyPatch, runner: str
) -> None:
    engine = load("tiny", slots=2, exact=True, runner=runner)
    expected = engine.submit(make_request()).result()
    encode = engine._conditioner.encode

    def encode_badly(asked: EngineRequest, start_s: float | None = None) -> Conditions:
        conditions = encode(asked, start_s)
        return replace(conditions, prefix=conditions.prefix * torch.nan) if asked.prompt == "broken" else conditions

    monkeypatch.setattr(engine._conditioner, "encode", encode_badly)
    broken = engine.submit(make_request(prompt="broken"))
    neighbour = engine.submit(make_request())
    with pytest.raises(GenerationFailed, match="not numbers"):
        broken.result()
    assert np.array_equal(neighbour.result().codes, expected.codes)
    later = [engine.submit(make_request()) for _ in range(4)]  # its slot keeps nothing of it
    assert all(np.array_equal(handle.result().codes, expected.codes) for handle in later)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_streamed_request_comes_in_chunks_that_join_to_the_clip(
    load: Callable[..., ContinuousBatchingEngine], runner: str
) -> None:
    engine = load("tiny", slots=2, exact=True, runner=runner)
    clip = engine.submit(make_request(duration_s=3.0)).result()
    handle = engine.submit(make_request(duration_s=3.0, stream=True))
    chunks = list(handle.chunks())
    assert len(chunks) >= 3
    assert np.abs(np.concatenate(chunks, axis=1) - clip.waveform).max() < 1e-5


def test_progress_counts_every_step_and_a_large_top_k_is_clamped_with_a_warning(
    load: Callable[..., ContinuousBatchingEngine],
) -> None:
    handle = load("text").submit(make_request(top_k=5000))
    clip: Clip = handle.result()
    assert handle.progress.step == handle.progress.steps == 53
    assert clip.warnings == ("top_k 5000 is more than the codebook's size; 256 was used",)


def test_a_closed_engine_takes_no_request_and_leaves_no_thread(checkpoint: Callable[[str], Path]) -> None:
    engine = ContinuousBatchingEngine.load(checkpoint("text"), slots=1)
    running = engine.submit(make_request(duration_s=30.0))
    engine.close()
    with pytest.raises(Cancelled):
        running.result()
    with pytest.raises(Unavailable):
        engine.submit(make_request())
    assert not [t for t in threading.enumerate() if t is engine._scheduler._thread and t.is_alive()]


def test_a_checkpoint_that_the_decoder_does_not_know_is_refused_by_name(
    load: Callable[..., ContinuousBatchingEngine],
) -> None:
    lm = load("text")._model.lm
    lm.transformer.positional_embedding = "rope"
    try:
        with pytest.raises(ConfigurationError, match=r"positional_embedding.*ENGINE=audiocraft"):
            refuse_unsupported(lm)
    finally:
        lm.transformer.positional_embedding = "sin"
