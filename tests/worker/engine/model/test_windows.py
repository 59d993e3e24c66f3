"""Counting steps ahead of time must agree with audiocraft's loop, to the step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from worker.engine.audiocraft_engine import AudiocraftEngine
from worker.engine.core.types import EngineRequest
from worker.engine.imports.audiocraft import MusicGen
from worker.engine.model.delay_pattern import pattern_of
from worker.engine.model.loading import load_musicgen
from worker.engine.model.windows import EXTEND_STRIDE_S, count_steps, duration_of
from worker.engine.runners.sequence import Frames


@pytest.fixture(scope="module")
def model(checkpoint: Callable[[str], Path]) -> MusicGen:
    return load_musicgen(checkpoint("stereo"))


def test_thirty_seconds_are_1503_steps(model: MusicGen) -> None:
    assert count_steps(model, 1500) == 1503


def test_each_window_pays_for_its_delays(model: MusicGen) -> None:
    # 0-30 s, then 18-34 s of which 12 s are known
    assert count_steps(model, 34 * 50) == (1500 + 3) + (200 + 3)


def test_audiocraft_cuts_every_duration_back_to_the_frames_meant(model: MusicGen) -> None:
    for frames in range(1, 4000):
        duration_s = duration_of(model, frames)
        assert int(duration_s * 50) == frames
        assert (duration_s <= 30) == (frames <= 1500)
        if frames > 1500:
            assert int((duration_s - EXTEND_STRIDE_S) * 50) == frames - 900


@pytest.mark.slow
def test_a_long_request_runs_exactly_the_steps_counted(
    text_only: AudiocraftEngine, make_request: Callable[..., EngineRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A window of 19 s keeps this short; one frame more than it is audiocraft's hardest case.
    monkeypatch.setattr(text_only._model, "max_duration", 19)
    wanted = make_request(duration_s=19.02)
    handle = text_only.submit(wanted)
    steps = []
    advance = handle.advance
    handle.advance = lambda step, stage: (steps.append(step), advance(step, stage))[1]  # type: ignore[method-assign]
    clip = handle.result()
    assert steps[-1] == handle.progress.steps == (950 + 3) + (1 + 3)
    assert clip.codes.shape == (4, 951)
    assert clip.waveform.shape == (1, round(19.02 * 32_000))


@pytest.mark.parametrize("known", [0, 700, 1500, 5000, 11_990])
def test_four_minutes_are_made_window_by_window_each_frame_once_and_none_larger(known: int) -> None:
    """So a sequence's KV cache takes what one window's does, however long the clip is."""
    decoded, windows = known, Frames(total=12_000, window=1500, stride=900, known=known).windows()
    for offset, length, given in windows:
        assert offset + given == decoded
        assert given < length <= 1500
        decoded = offset + length
    assert decoded == 12_000


@pytest.mark.parametrize("known", [0, 1499, 1500, 2399, 2400])
def test_steps_are_counted_as_the_windows_are_laid_out(model: MusicGen, known: int) -> None:
    windows = Frames(total=2500, window=1500, stride=900, known=known).windows()
    delays = max(pattern_of(model).delays)
    assert count_steps(model, 2500, known) == sum(length - given + delays for _, length, given in windows)
