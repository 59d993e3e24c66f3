"""Continuation equals audiocraft's own to the code, on both engines, in one window and in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import InvalidRequest
from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.types import EngineRequest
from worker.engine.engine import ContinuousBatchingEngine
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.continuation import encode_continuation, known_frames
from worker.engine.model.delay_pattern import pattern_of

pytestmark = pytest.mark.slow

Engines = tuple[AudiocraftEngine, ContinuousBatchingEngine]
ShortWindows = Callable[[MusicGen, float, float], None]
CONTINUED = np.random.default_rng(3).normal(0, 0.1, (2, 44_100)).astype(np.float32)  # one second at 44.1 kHz
MELODY = (0.5 * np.sin(2 * np.pi * 330 * np.arange(64_000) / 32_000)).astype(np.float32)


@pytest.fixture(scope="module")
def engines(
    checkpoint: Callable[[str], Path], demucs_in_hub_cache: None, tiny: AudiocraftEngine, text_only: AudiocraftEngine
) -> Iterator[Callable[[str], Engines]]:
    """Both engines on one checkpoint of a shape."""
    opened: dict[str, Engines] = {}

    def of(shape: str) -> Engines:
        if shape not in opened:
            reference = AudiocraftEngine.load(checkpoint(shape))
            batching = ContinuousBatchingEngine(reference._model, reference.info, slots=2)
            batching.start()
            opened[shape] = reference, batching
        return opened[shape]

    yield of
    for pair in opened.values():
        for engine in pair:
            engine.close()


def continuing(**changes: object) -> EngineRequest:
    usual: dict[str, object] = {"prompt": "slow sad piano", "duration_s": 1.5, "temperature": 0.0}
    usual |= {"continue_from": CONTINUED, "continue_rate_hz": 44_100}
    return EngineRequest(**{**usual, **changes})


@pytest.mark.parametrize("prompt", ["slow sad piano", None])
@pytest.mark.parametrize("shape", ["text", "tiny", "stereo"])
def test_greedy_codes_are_those_of_audiocrafts_generate_continuation(
    engines: Callable[[str], Engines], shape: str, prompt: str | None
) -> None:
    reference, batching = engines(shape)
    model = reference._model
    model.set_generation_params(use_sampling=False, duration=1.5)
    _, expected = model.generate_continuation(torch.tensor(CONTINUED), 44_100, [prompt], return_tokens=True)
    asked = continuing(prompt=prompt)
    assert np.array_equal(reference.submit(asked).result().codes, expected[0].numpy())
    handle = batching.submit(asked)
    clip = handle.result()
    assert np.array_equal(clip.codes, expected[0].numpy())
    assert np.abs(clip.waveform - reference.submit(asked).result().waveform).max() < 1e-5
    assert clip.waveform.shape == (model.audio_channels, 48_000)  # the continued audio counts
    assert handle.progress.step == handle.progress.steps == 25 + max(pattern_of(model).delays)


@pytest.mark.parametrize("shape", ["tiny", "melody"])
def test_with_a_melody_both_engines_agree_and_the_melody_conditions_the_codes(
    engines: Callable[[str], Engines], shape: str
) -> None:
    reference, batching = engines(shape)
    asked = continuing(melody=MELODY)
    expected = reference.submit(asked).result().codes
    assert np.array_equal(batching.submit(asked).result().codes, expected)
    assert not np.array_equal(batching.submit(continuing()).result().codes, expected)


@pytest.mark.parametrize(
    ("seconds", "changes"),  # less than what a window slides by, and more
    [(0.6, {"melody": MELODY}), (3.8, {"melody": MELODY}), (3.8, {"guidance_scale": 0.0}), (3.8, {})],
)
def test_a_continuation_longer_than_a_window_slides_as_audiocraft_does(
    engines: Callable[[str], Engines], short_windows: ShortWindows, seconds: float, changes: dict[str, object]
) -> None:
    reference, batching = engines("tiny")
    short_windows(reference._model, 4.0, 3.6)
    continued = np.random.default_rng(1).normal(0, 0.1, round(seconds * 32_000)).astype(np.float32)
    asked = continuing(continue_from=continued, continue_rate_hz=32_000, duration_s=4.8, **changes)
    expected = reference.submit(asked).result().codes
    handle = batching.submit(asked)
    assert np.array_equal(handle.result().codes, expected)
    assert expected.shape == (4, 240)
    assert handle.progress.step == handle.progress.steps


@pytest.mark.parametrize(
    ("seconds", "total_s"),  # the first window is given; the first two, and the third ends before the clip does
    [(4.2, 4.8), (7.4, 7.7)],
)
def test_audio_longer_than_a_window_is_continued_from_its_last_window(
    engines: Callable[[str], Engines], short_windows: ShortWindows, seconds: float, total_s: float
) -> None:
    reference, batching = engines("tiny")
    short_windows(reference._model, 4.0, 3.6)
    codes = np.random.default_rng(2).integers(0, reference._model.lm.card, (4, round(50 * seconds)))
    asked = continuing(continue_from=None, continue_codes=codes, duration_s=total_s, melody=np.tile(MELODY, 6))
    expected = reference.submit(asked).result()
    handle = batching.submit(asked)
    clip = handle.result()
    assert np.array_equal(clip.codes, expected.codes)
    assert np.array_equal(clip.codes[:, : codes.shape[1]], codes)
    assert clip.waveform.shape == (1, round(total_s * 32_000))
    assert handle.progress.step == handle.progress.steps
    chunks = list(batching.submit(replace(asked, stream=True)).chunks())
    assert np.abs(np.concatenate(chunks, axis=1) - clip.waveform).max() < 1e-5


def test_codes_instead_of_audio_are_taken_as_they_are(engines: Callable[[str], Engines]) -> None:
    reference, batching = engines("stereo")
    given = encode_continuation(reference._model, continuing(), 50)
    assert given is not None
    expected = reference.submit(continuing()).result().codes
    asked = continuing(continue_from=None, continue_codes=given.numpy())
    for engine in (reference, batching):
        assert np.array_equal(engine.submit(asked).result().codes, expected)
        for strange in (given.numpy()[:2], given.numpy() + 2048):
            with pytest.raises(InvalidRequest, match=r"continue_from: is not in this model's codes.*send audio"):
                engine.submit(replace(asked, continue_codes=strange)).result()


def test_continued_audio_is_the_clips_first_codes_and_conditions_the_rest(engines: Callable[[str], Engines]) -> None:
    _, batching = engines("text")
    clip = batching.submit(continuing(seed=1, temperature=1.0)).result()
    given = encode_continuation(batching._model, continuing(), 50)
    assert given is not None
    assert np.array_equal(clip.codes[:, :50], given.numpy())
    without = batching.submit(continuing(seed=1, temperature=1.0, continue_from=None)).result()
    assert np.mean(clip.codes[:, 50:] != without.codes[:, 50:]) > 0.3


def test_a_streamed_continuation_begins_with_the_continued_audio(engines: Callable[[str], Engines]) -> None:
    _, batching = engines("tiny")
    clip = batching.submit(continuing(duration_s=3.0)).result()
    chunks = list(batching.submit(continuing(duration_s=3.0, stream=True)).chunks())
    assert len(chunks) >= 2
    assert np.abs(np.concatenate(chunks, axis=1) - clip.waveform).max() < 1e-5


@pytest.mark.parametrize(("samples", "rate_hz"), [(1, 32_000), (641, 32_000), (4999, 44_100), (22_050, 22_050)])
def test_the_frames_counted_ahead_are_those_that_the_codec_makes(
    engines: Callable[[str], Engines], samples: int, rate_hz: int
) -> None:
    for shape in ("text", "stereo"):
        reference, _ = engines(shape)
        asked = continuing(continue_from=np.ones(samples, np.float32), continue_rate_hz=rate_hz)
        known = known_frames(asked, reference.info)
        codes = encode_continuation(reference._model, asked, known)
        assert codes is not None
        assert codes.shape == (reference._model.lm.num_codebooks, known)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"duration_s": 1.0}, "continue_from: leaves nothing to make.*longer duration_s"),
        ({"continue_codes": np.zeros((4, 50), np.int64)}, "continue_from: is either audio or codes"),
        ({"continue_from": np.ones((2, 0), np.float32)}, "continue_from: must be .*at least one sample"),
        ({"continue_from": np.ones((1, 2, 4), np.float32)}, "continue_from: must be "),
        ({"continue_from": np.full(32_000, np.nan, np.float32)}, "continue_from: holds values that are not numbers"),
        ({"continue_from": np.ones(1, np.float32), "continue_rate_hz": 44_100}, "continue_from: is too short"),
        ({"continue_rate_hz": 0}, "continue_rate_hz: must be positive"),
    ],
)
def test_what_cannot_be_continued_is_refused_at_submit(
    engines: Callable[[str], Engines], changes: dict[str, object], words: str
) -> None:
    for engine in engines("text"):
        with pytest.raises(InvalidRequest, match=words):
            engine.submit(
                continuing(**{"continue_rate_hz": 32_000 if "continue_from" in changes else 44_100, **changes})
            )
