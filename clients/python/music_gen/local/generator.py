"""MusicGenerator: music made in this process, by the engine that the workers run, without server, broker or queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from music_gen.audio import AudioOutput
from music_gen.local.engine import Studio
from music_gen.params import AudioFile, OutputFormat

if TYPE_CHECKING:
    import torch

MODEL = "facebook/musicgen-small"


class Sound(TypedDict, total=False):
    """What may be asked for beside prompt, duration and melody. What is left out is as on a server."""

    temperature: float
    top_k: int
    top_p: float
    guidance_scale: float
    seed: int | None
    output_format: OutputFormat
    loudness: float | None
    title: str | None


class MusicGenerator:
    """One model in memory. Several threads may call it: their pieces share each step of the decoder."""

    def __init__(
        self,
        model: str = MODEL,
        device: str = "auto",
        dtype: torch.dtype | str | None = None,
        cache_dir: str | Path | None = None,
        *,
        slots: int | None = None,
    ) -> None:
        """`model`: a name (tiny, small, ...), a hub id or a folder. `dtype`: torch.float32 or its like, "int8", or None
        for the usual one there. `slots`: pieces made at once, by memory where not given.

        Raises LocalUnavailable where there is no engine, and InvalidRequest for a model or device that cannot be had.
        """
        self.studio = Studio(model, device, dtype, cache_dir, slots)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs, and the engine's threads."""
        self.studio.close()

    @property
    def model(self) -> str:
        return self.studio.model

    @property
    def sample_rate_hz(self) -> int:
        return self.studio.sample_rate_hz

    def generate(
        self,
        prompt: str = "",
        duration: float = 8.0,
        temperature: float = 1.0,
        top_k: int = 250,
        top_p: float = 0.0,
        seed: int | None = None,
        *,
        guidance_scale: float = 3.0,
        melody: AudioFile | None = None,
        output_format: OutputFormat = "wav",
        loudness: float | None = None,
        title: str | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> AudioOutput:
        """One clip. `on_progress` is told the percent done; Ctrl-C ends the piece at its next step.

        Raises InvalidRequest that names each bad field, GenerationFailed.
        """
        sound: Sound = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "guidance_scale": guidance_scale}
        sound |= {"seed": seed, "output_format": output_format, "loudness": loudness, "title": title}
        return self._make([prompt], duration, melody, on_progress, sound)[0]

    def generate_batch(
        self,
        prompts: Sequence[str],
        duration: float = 8.0,
        *,
        melody: AudioFile | None = None,
        on_progress: Callable[[float], None] | None = None,
        **sound: Unpack[Sound],
    ) -> list[AudioOutput]:
        """A clip for each prompt, made together; the rest as `generate` has it, for all: a seed is each one's."""
        return self._make(prompts, duration, melody, on_progress, expect_sound(sound))

    def _make(
        self,
        prompts: Sequence[str],
        duration: float,
        melody: AudioFile | None,
        on_progress: Callable[[float], None] | None,
        sound: Sound,
    ) -> list[AudioOutput]:
        studio = self.studio
        # none begins unless all are right
        wishes = [studio.wish({"prompt": prompt, "duration": duration, **sound}, melody) for prompt in prompts]
        with studio.playing() as playing:
            handles = playing.begin(wishes)
            playing.wait(handles, len(handles), on_progress)
            clips = [studio.output(wish, handle) for wish, handle in zip(wishes, handles, strict=True)]
        if on_progress is not None:
            on_progress(100.0)
        return clips


def expect_sound(given: Any) -> Sound:
    """Raises TypeError, as Python does for an argument that nobody knows."""
    if strangers := [name for name in given if name not in Sound.__annotations__]:
        raise TypeError(f"unknown: {', '.join(strangers)}; known are {', '.join(Sound.__annotations__)}")
    sound: Sound = given
    return sound
