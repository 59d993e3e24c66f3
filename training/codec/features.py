"""What the codec's codes stand for: a designed description of each 20 ms of sound, 83 numbers.

A codec learnt end to end needs days of two CPU cores before its codes mean anything, and its codes follow the phase of
the sound, which a language model cannot predict. So the latent space is designed: log loudness of 67 semitone bands
(the lower, the longer the window) and of 16 wide bands with a short window (attacks, drums). The quantizer is fitted to
it by k-means, the decoder learns to sound it, the encoder learns to estimate it; each on its own.
"""

import numpy as np
import torch
import torchaudio

from training.data.theory import FRAME_SAMPLES, SAMPLE_RATE_HZ

# (lowest MIDI pitch, highest, window): long enough to part semitones, as short as that allows.
PITCH_RANGES = ((36, 59, 8192), (60, 79, 4096), (80, 102, 2048))
WIDE_BANDS, WIDE_WINDOW = 16, 1024
FLOOR = 2e-3
DIMENSION = 83


def semitone_filters(lowest: int, highest: int, window: int) -> torch.Tensor:
    """Bell-shaped filters around each pitch, at least as wide as the window's main lobe. -> [bins, pitches]"""
    hz = torch.arange(window // 2 + 1) * SAMPLE_RATE_HZ / window
    centres = 440.0 * 2 ** ((torch.arange(lowest, highest + 1) - 69) / 12)
    width = torch.maximum(0.025 * centres, torch.tensor(0.75 * SAMPLE_RATE_HZ / window))
    return torch.exp(-0.5 * ((hz[:, None] - centres) / width) ** 2)


def magnitudes(wave: torch.Tensor, window: int) -> torch.Tensor:
    """Spectra whose windows are centred on the codec's frames, 1 for a full-scale sine. -> [frames, bins]"""
    left = window // 2 - FRAME_SAMPLES // 2
    padded = torch.nn.functional.pad(wave, (left, window))
    spectrum = torch.stft(padded, window, FRAME_SAMPLES, window=torch.hann_window(window), center=False,
                          return_complex=True)  # fmt: skip
    frames = len(wave) // FRAME_SAMPLES
    return spectrum.abs().T[:frames] * 4 / window


class Describer:
    """Turns waves into descriptions; keeps its filters."""

    def __init__(self) -> None:
        self.semitones = [(window, semitone_filters(low, high, window)) for low, high, window in PITCH_RANGES]
        self.wide = torchaudio.functional.melscale_fbanks(
            WIDE_WINDOW // 2 + 1, 30.0, 15000.0, WIDE_BANDS, SAMPLE_RATE_HZ, norm=None, mel_scale="htk"
        )  # [bins, bands]

    @torch.no_grad()
    def __call__(self, wave: torch.Tensor) -> torch.Tensor:
        """[samples] -> [frames, 83], roughly between -1 and 1"""
        parts = [magnitudes(wave, window) @ filters for window, filters in self.semitones]
        parts.append((magnitudes(wave, WIDE_WINDOW) @ self.wide) * 0.5)
        return torch.log(torch.cat(parts, dim=1) + FLOOR) / 3 + 1.2


def wave_of(path: object) -> torch.Tensor:
    """A rendered piece as float. -> [samples]"""
    return torch.from_numpy(np.load(path).astype(np.float32) / 32768.0)  # type: ignore[call-overload]
