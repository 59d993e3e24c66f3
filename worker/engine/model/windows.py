"""Divide a clip into windows and count its decode steps, by the rules of audiocraft's loop. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from worker.engine.imports.audiocraft import MusicGen

EXTEND_STRIDE_S = 18.0  # how far the window slides in a clip longer than it: audiocraft's default


@dataclass(frozen=True)
class Frames:
    """Hold lengths in frames: the full clip, one window, how far a window slides, and what is given at the start."""

    total: int
    window: int
    stride: int
    known: int = 0

    def windows(self) -> list[tuple[int, int, int]]:
        """List each window's (offset, length, known): `known` frames are given, later ones by the window before it."""
        offset = first_offset(self.window, self.stride, self.known)
        found, known = [], self.known - offset
        while offset + known < self.total:
            length = min(self.total - offset, self.window)
            found.append((offset, length, known))
            offset, known = offset + self.stride, length - self.stride
        return found


def frames_for(model: MusicGen, total: int, known: int = 0) -> Frames:
    """Divide that many frames into this model's windows, the first `known` of them given."""
    return Frames(total, _window(model), _stride(model), known)


def count_steps(model: MusicGen, total: int, known: int = 0) -> int:
    """Count the decode steps of that many frames over all windows: what audiocraft's loop will run.

    The first `known` frames are given.
    """
    windows = frames_for(model, total, known).windows()
    return sum(_window_steps(model, length, given) for _, length, given in windows)


def skipped_frames(model: MusicGen, known: int) -> int:
    """Count the given frames that lie before the first window."""
    return first_offset(_window(model), _stride(model), known)


def first_offset(window: int, stride: int, known: int) -> int:
    """Return the frame at which the first window begins: past the windows of which all frames are given."""
    offset = 0
    while offset + window <= known:
        offset += stride
    return offset


def _window(model: MusicGen) -> int:
    return int(model.max_duration * model.frame_rate)


def _stride(model: MusicGen) -> int:
    return int(model.frame_rate * EXTEND_STRIDE_S)


def _window_steps(model: MusicGen, frames: int, known: int) -> int:
    """Count the steps of one window, `known` of whose frames are given: the delay pattern adds its delays."""
    pattern = model.lm.pattern_provider.get_pattern(frames)
    first = pattern.get_first_step_with_timesteps(known)
    assert first is not None, f"{known} known frames of {frames} leave nothing to decode"
    return len(pattern.layout) - first


def duration_of(model: MusicGen, frames: int) -> float:
    """Return a duration that audiocraft rounds down to exactly so many frames, in every window.

    Half a frame more than needed, because frames / rate * rate may fall just short of `frames`; but never past the
    window that it fits in.
    """
    duration_s: float = (frames + 0.5) / model.frame_rate
    if frames <= _window(model):
        return min(duration_s, model.max_duration)
    return duration_s
