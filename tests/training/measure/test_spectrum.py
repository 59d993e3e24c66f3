"""The measures' spectra are librosa's, and their agreement with a melody audiocraft's, value for value."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from shared.settings import ROOT
from stack.demo_melody import synthesise
from tests.reference_librosa import import_librosa
from training.measure.rhythm import HOP, onset_strength
from training.measure.spectrum import decibels, mel_power, stft
from training.measure.tonality import SAMPLE_RATE_HZ, melody_agreement

HEAVY = ("librosa", "torch", "audiocraft", "scipy", "numba", "matplotlib")


@pytest.fixture(scope="module")
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Return a hum, and a noisy one that goes ahead of it."""
    hum = synthesise(3.3).astype(np.float32)
    noise = np.random.default_rng(1).standard_normal(len(hum)).astype(np.float32)
    return hum, np.roll(hum, -4000) + 0.05 * noise


@pytest.mark.slow
def test_spectra_onsets_and_banks_are_those_of_librosa(
    waves: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    librosa = import_librosa(monkeypatch)
    wave = waves[1]
    for size, hop in ((1024, 320), (16384, 4096)):
        np.testing.assert_allclose(stft(wave, size, hop), librosa.stft(wave, n_fft=size, hop_length=hop), atol=1e-3)
    ours = mel_power(wave, SAMPLE_RATE_HZ, size=4096, hop=512, bands=128, highest_hz=8000)
    theirs = librosa.feature.melspectrogram(y=wave, sr=SAMPLE_RATE_HZ, n_fft=4096, hop_length=512, fmax=8000)
    np.testing.assert_allclose(decibels(ours, ours.max()), librosa.power_to_db(theirs, ref=np.max), atol=1e-2)
    strength = librosa.onset.onset_strength(y=wave, sr=SAMPLE_RATE_HZ, hop_length=HOP, n_fft=1024, n_mels=64)
    np.testing.assert_allclose(onset_strength(wave), strength - strength.mean(), atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [len(synthesise(3.3)), 9000], ids=["3.3 s", "less than a window"])
def test_agreement_with_a_melody_is_what_audiocraft_measures(
    waves: tuple[np.ndarray, np.ndarray], samples: int
) -> None:
    """By the formula of ChromaCosineSimilarityMetric, which itself needs torchmetrics and all other metrics."""
    import torch

    from worker.engine.imports.audiocraft import ChromaExtractor

    extract = ChromaExtractor(SAMPLE_RATE_HZ, n_chroma=12, radix2_exp=14, argmax=True)
    chromas = [extract(torch.from_numpy(wave[:samples].copy())[None, None])[0] for wave in waves]
    frames = math.ceil(samples / extract.winhop)
    cosines = torch.nn.functional.cosine_similarity(*(chroma[:frames] for chroma in chromas), dim=1)
    first, second = (wave[:samples] for wave in waves)
    assert melody_agreement(first, second) == pytest.approx(float(cosines.mean()), abs=1e-6)


def test_the_demos_analysis_imports_nothing_that_takes_seconds() -> None:
    ask = f"import sys, stack.demo_analysis; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
