"""Hold a piece for several instruments: each one's clip by its name, and the mix of all."""

from __future__ import annotations

from collections.abc import Mapping

from music_gen.audio import AudioOutput


class Tracks(dict[str, AudioOutput]):
    """Map the instruments' names to their clips, in the order asked for; `mix` is all of them together."""

    def __init__(
        self, clips: Mapping[str, AudioOutput], mix: AudioOutput, *, tempo_bpm: int | None, key: str | None
    ) -> None:
        super().__init__(clips)
        self.mix = mix
        self.tempo_bpm = tempo_bpm
        self.key = key  # "A minor"
