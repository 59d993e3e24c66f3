"""Mix this package's clips and plain arrays with the mixing desk of Ostinato.

What goes in decides what comes out: arrays alone give an array [channels, samples], anything else an AudioOutput.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from music_gen.audio import AudioOutput, Samples
from music_gen.errors import InvalidRequest
from music_gen.local.repo_import import load, translated

EXTRA = "mixing"
Array = npt.NDArray[Any]  # floats, [channels, samples] or [samples]
AudioLike = AudioOutput | Array
Chain = Sequence[Any]  # {"type": "reverb", ...}, or what takes and gives samples: mixing.effects


class AudioMixer:
    """Mix and master; nothing is kept between calls. All methods raise InvalidRequest that names every bad setting."""

    def __init__(self, sample_rate_hz: int | None = None) -> None:
        """Set up the desk.

        `sample_rate_hz`: of what `mix_tracks` makes (left out, the highest of the tracks), and of every array.

        Raises LocalUnavailable where there is no mixing desk.
        """
        self._rate_hz = sample_rate_hz
        with translated(EXTRA):
            self._mixer = load("mixing", extra=EXTRA).AudioMixer(sample_rate_hz)

    @overload
    def mix_tracks(
        self,
        tracks: Mapping[str, AudioOutput],
        levels: Mapping[str, float] | None = ...,
        panning: Mapping[str, float] | None = ...,
        effects: Mapping[str, Chain] | None = ...,
        *,
        tail_s: float = ...,
    ) -> AudioOutput: ...
    @overload
    def mix_tracks(
        self,
        tracks: Mapping[str, Array],
        levels: Mapping[str, float] | None = ...,
        panning: Mapping[str, float] | None = ...,
        effects: Mapping[str, Chain] | None = ...,
        *,
        tail_s: float = ...,
    ) -> Samples: ...
    @overload
    def mix_tracks(
        self,
        tracks: Mapping[str, AudioLike],
        levels: Mapping[str, float] | None = ...,
        panning: Mapping[str, float] | None = ...,
        effects: Mapping[str, Chain] | None = ...,
        *,
        tail_s: float = ...,
    ) -> AudioOutput | Samples: ...
    def mix_tracks(
        self,
        tracks: Mapping[str, Any],
        levels: Mapping[str, float] | None = None,
        panning: Mapping[str, float] | None = None,
        effects: Mapping[str, Chain] | None = None,
        *,
        tail_s: float = 0.0,
    ) -> Any:
        """Mix to stereo, as long as the longest track and `tail_s`. Levels in dB, panning -1 to 1; 0 where not given.

        The sum may pass full scale: `master` brings it under.
        """
        return self._mixed(
            lambda audios: self._mixer.mix_tracks(audios, levels, panning, effects, tail_s=tail_s), dict(tracks)
        )

    @overload
    def mix_preset(self, tracks: Mapping[str, Array], preset: str, **own: Any) -> Samples: ...
    @overload
    def mix_preset(self, tracks: Mapping[str, AudioLike], preset: str, **own: Any) -> AudioOutput: ...
    def mix_preset(self, tracks: Mapping[str, Any], preset: str, **own: Any) -> Any:
        """Mix the tracks by a preset's levels and pan positions (jazz_club, ...), mastered to its loudness.

        `levels`, `panning` and `effects` of your own replace the preset's for the tracks that they name.
        """
        return self._mixed(lambda audios: self._mixer.mix_preset(audios, preset, **own), dict(tracks))

    @overload
    def apply_effects(self, audio: Array, effects_chain: Chain, *, tail_s: float = ...) -> Samples: ...
    @overload
    def apply_effects(self, audio: AudioOutput, effects_chain: Chain, *, tail_s: float = ...) -> AudioOutput: ...
    def apply_effects(self, audio: Any, effects_chain: Chain, *, tail_s: float = 0.0) -> Any:
        """Send it through each effect in turn; as long as before, and `tail_s` longer to hear echoes out."""
        return self._mixed(
            lambda audios: self._mixer.apply_effects(audios["audio"], effects_chain, tail_s=tail_s), {"audio": audio}
        )

    @overload
    def master(self, audio: Array, target_lufs: float = ..., headroom_db: float = ...) -> Samples: ...
    @overload
    def master(self, audio: AudioOutput, target_lufs: float = ..., headroom_db: float = ...) -> AudioOutput: ...
    def master(self, audio: Any, target_lufs: float = -14.0, headroom_db: float = 1.0) -> Any:
        """Master to that loudness (LUFS, BS.1770), true peaks at least `headroom_db` below full scale."""
        return self._mixed(
            lambda audios: self._mixer.master(audios["audio"], target_lufs, headroom_db), {"audio": audio}
        )

    def _mixed(self, make: Any, sources: Mapping[str, AudioLike]) -> Any:
        with translated(EXTRA):
            made = make({name: self._as_audio(source, name) for name, source in sources.items()})
        clips = [source for source in sources.values() if isinstance(source, AudioOutput)]
        if not clips:
            return made.samples
        details: dict[str, Any] = {"prompt": "; ".join(clip.prompt for clip in clips), "model": clips[0].model}
        details |= {"seed": clips[0].seed, "task": clips[0].task} if len(sources) == 1 else {}
        return AudioOutput.from_samples(made.samples, made.sample_rate_hz, **details)

    def _as_audio(self, source: AudioLike, name: str) -> Any:
        """Return a clip or an array as the desk takes it."""
        audio = load("mixing", extra=EXTRA).Audio
        if isinstance(source, AudioOutput):
            return audio(source.numpy(), source.sample_rate_hz)
        if self._rate_hz is None:
            message = "an array does not tell its rate; AudioMixer(sample_rate_hz=...) says it"
            raise InvalidRequest.of({"field": "sample_rate_hz", "message": message, "value": name})
        return audio(np.asarray(source), self._rate_hz)
