"""Hold several clips: those of a batch in their order, those of a piece by their instruments' names."""

from __future__ import annotations

from collections.abc import Mapping

from music_gen.audio import AudioOutput, html_player


class Clips(list[AudioOutput]):
    """List the clips of a batch, in the order of its prompts; a notebook shows a player for each."""

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return "".join(map(html_player, self))


class Tracks(dict[str, AudioOutput]):
    """Map the instruments' names to their clips, in the order asked for; `mix` is all of them together.

    A notebook shows a player for the mix, and one for each instrument.
    """

    def __init__(
        self, clips: Mapping[str, AudioOutput], mix: AudioOutput, *, tempo_bpm: int | None, key: str | None
    ) -> None:
        super().__init__(clips)
        self.mix = mix
        self.tempo_bpm = tempo_bpm
        self.key = key  # "A minor"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_player(self.mix, "mix") + "".join(html_player(clip, name) for name, clip in self.items())
