"""Mix tracks into one, apply effects, master (`AudioMixer`). Owns the order of steps; each is computed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixing.audio import Audio, Samples, check, resample
from mixing.dynamics import apply_compressor, apply_limiter
from mixing.effects import EFFECTS, Chain, Effect, Plugin, read_chain
from mixing.errors import MixError, SettingError
from mixing.filters import apply_equalizer, apply_gain, apply_highpass, apply_lowpass
from mixing.loudness import LOUDEST_LUFS, QUIETEST_LUFS, level_to
from mixing.panning import pan
from mixing.presets import MixPreset, find_preset
from mixing.reverb import apply_chorus, apply_delay, apply_reverb
from mixing.validation import TrackSettings, check_number, check_settings

LONGEST_TAIL_S = 30.0
HEADROOM_DB = (0.1, 24.0)
TOLERANCE_LU = 0.5

_APPLY: Mapping[str, Callable[[Samples, Any, int], Samples]] = {
    "gain": apply_gain,
    "equalizer": apply_equalizer,
    "highpass": apply_highpass,
    "lowpass": apply_lowpass,
    "compressor": apply_compressor,
    "limiter": apply_limiter,
    "reverb": apply_reverb,
    "delay": apply_delay,
    "chorus": apply_chorus,
}
assert set(_APPLY) == set(EFFECTS)


@dataclass(frozen=True)
class AudioMixer:
    """Mix tracks, apply effects and master, with no state between calls.

    `sample_rate_hz` None: the highest of the tracks.
    """

    sample_rate_hz: int | None = None

    def mix_tracks(
        self,
        tracks: Mapping[str, Audio],
        levels: Mapping[str, float] | None = None,
        panning: Mapping[str, float] | None = None,
        effects: Mapping[str, Chain] | None = None,
        *,
        tail_s: float = 0.0,
    ) -> Audio:
        """Mix to stereo, as long as the longest track and `tail_s`. Levels in dB, panning -1 to 1; 0 where not given.

        A track goes through its effects, then to its pan position; one at -96 dB is left out. The sum may pass full
        scale; `master` brings it under. The tracks are read one after another, and each more than once, so `tracks` may
        load them when asked: only one of them is in memory at a time. Raises MixError that names every bad setting.
        """
        settings = check_settings(list(tracks), levels, panning, effects)
        check_number("tail_s", tail_s, 0.0, LONGEST_TAIL_S)
        own_rate_hz = self.sample_rate_hz
        rate_hz = own_rate_hz or max(check(tracks[name], f"tracks.{name}").sample_rate_hz for name in tracks)
        frames = max(_at_rate(tracks, name, rate_hz).samples.shape[1] for name in tracks) + round(tail_s * rate_hz)
        mix = np.zeros((2, frames), np.float32)
        for name in settings.audible(tracks):
            mix += _render_track(_at_rate(tracks, name, rate_hz), name, settings, frames)
        return Audio(mix, rate_hz)

    def mix_preset(self, tracks: Mapping[str, Audio], preset: str | MixPreset, **own: Any) -> Audio:
        """Mix the tracks through the preset's channel strips and its bus, and master to its loudness.

        Levels, panning or effects of your own replace the preset's for the tracks that they name.
        """
        chosen = find_preset(preset) if isinstance(preset, str) else preset
        return self.master(self.balance(tracks, chosen, **own), chosen.target_lufs, chosen.headroom_db)

    def balance(self, tracks: Mapping[str, Audio], chosen: MixPreset, **own: Any) -> Audio:
        """Mix as `mix_preset` does, before mastering."""
        strips = chosen.channel_strips(tracks)
        mix = self.mix_tracks(
            tracks,
            {name: strip.level_db for name, strip in strips.items()} | dict(own.pop("levels", None) or {}),
            {name: strip.pan for name, strip in strips.items()} | dict(own.pop("panning", None) or {}),
            {name: strip.effects for name, strip in strips.items()} | dict(own.pop("effects", None) or {}),
            **own,
        )
        return self.apply_effects(mix, chosen.bus)

    def apply_effects(self, audio: Audio, effects_chain: Chain, *, tail_s: float = 0.0) -> Audio:
        """Apply each effect in turn; the result is as long as before, and `tail_s` longer for echoes to fade."""
        chain = read_chain(effects_chain)
        check_number("tail_s", tail_s, 0.0, LONGEST_TAIL_S)
        checked = check(audio, "audio")
        rate_hz = checked.sample_rate_hz
        tail = round(tail_s * rate_hz)
        return Audio(_through(np.pad(checked.samples, ((0, 0), (0, tail))), chain, rate_hz, "effects"), rate_hz)

    def master(self, audio: Audio, target_lufs: float = -14.0, headroom_db: float = 1.0) -> Audio:
        """Bring the audio to `target_lufs` (integrated, BS.1770), true peaks at least `headroom_db` below full scale.

        Raises MixError when the two cannot be had together, and says how loud it can be.
        """
        check_number("target_lufs", target_lufs, QUIETEST_LUFS, LOUDEST_LUFS)
        check_number("headroom_db", headroom_db, *HEADROOM_DB)
        mastered, reached = level_to(check(audio, "audio"), target_lufs, -headroom_db)
        if abs(reached - target_lufs) > TOLERANCE_LU:
            message = f"with {headroom_db:g} dB of headroom this audio reaches {reached:.1f} LUFS; send at most that"
            raise MixError([SettingError("target_lufs", message, f"{target_lufs:g}")])
        return mastered


def _at_rate(tracks: Mapping[str, Audio], name: str, rate_hz: int) -> Audio:
    return resample(check(tracks[name], f"tracks.{name}"), rate_hz)


def _render_track(track: Audio, name: str, settings: TrackSettings, frames: int) -> Samples:
    """Render one track to stereo at its level and pan position. [channels, samples] -> [2, frames]"""
    samples = np.pad(track.samples, ((0, 0), (0, frames - track.samples.shape[1])))
    wide = np.repeat(samples, 2, axis=0) if track.channels == 1 else samples  # a reverb needs two channels to be wide
    processed = _through(wide, settings.chains.get(name, ()), track.sample_rate_hz, f"effects.{name}")
    gain = 10 ** (settings.levels_db.get(name, 0.0) / 20) * (math.sqrt(0.5) if track.channels == 1 else 1.0)
    return pan(processed, settings.panning.get(name, 0.0)) * np.float32(gain)


def _through(samples: Samples, chain: tuple[Effect | Plugin, ...], rate_hz: int, where: str) -> Samples:
    for index, effect in enumerate(chain):
        if isinstance(effect, Effect):
            samples = _APPLY[effect.type](samples, effect, rate_hz)
            continue
        processed = np.asarray(effect(samples, rate_hz), dtype=np.float32)
        if processed.shape != samples.shape:
            message = f"a plugin must give back {list(samples.shape)}: as many channels and samples as it was given"
            raise MixError([SettingError(f"{where}[{index}]", message, str(list(processed.shape)))])
        samples = processed
    return samples
