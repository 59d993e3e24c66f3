"""Make music in this process, by the engine that the workers run, without server, broker or queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from music_gen.audio import AudioOutput
from music_gen.local.engine import LocalEngine
from music_gen.request_fields import AudioFile, LocalFields, LocalKeywords
from music_gen.tracks import Clips

if TYPE_CHECKING:
    import torch

MODEL = "facebook/musicgen-small"


class MusicGenerator:
    """Keep one model in memory. Several threads may call it: their requests share each decode step."""

    def __init__(
        self,
        model: str = MODEL,
        device: str = "auto",
        dtype: torch.dtype | str | None = None,
        cache_dir: str | Path | None = None,
        *,
        slots: int | None = None,
    ) -> None:
        """Load a model: a name (tiny, small, ...), a hub id or a folder.

        `dtype`: torch.float32 or its like, "int8", or None for the usual one there. `slots`:
        requests decoded at once, by memory where not given.

        Raises LocalUnavailable where there is no engine, and InvalidRequest for a model or device that cannot be had.
        """
        self.engine = LocalEngine(model, device, dtype, cache_dir, slots)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs, and the engine's threads."""
        self.engine.close()

    @property
    def model(self) -> str:
        return self.engine.model

    @property
    def sample_rate_hz(self) -> int:
        return self.engine.sample_rate_hz

    def generate(
        self,
        prompt: str = "",
        duration: float = 8.0,
        temperature: float = 1.0,
        top_k: int = 250,
        top_p: float = 0.0,
        seed: int | None = None,
        *,
        melody: AudioFile | None = None,
        on_progress: Callable[[float], None] | None = None,
        **more: Unpack[LocalKeywords],
    ) -> AudioOutput:
        """Make one clip. `on_progress` is told the percent done; Ctrl-C ends it at its next step.

        Raises InvalidRequest that names each bad field, GenerationFailed.
        """
        fields: LocalFields = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed, **more}
        return self._make([prompt], duration, melody, on_progress, expect_known(fields))[0]

    def generate_batch(
        self,
        prompts: Sequence[str],
        duration: float = 8.0,
        *,
        melody: AudioFile | None = None,
        on_progress: Callable[[float], None] | None = None,
        **fields: Unpack[LocalFields],
    ) -> Clips:
        """Make a clip for each prompt, together; the rest as `generate` has it, for all: a seed is each one's."""
        return Clips(self._make(prompts, duration, melody, on_progress, expect_known(fields)))

    def _make(
        self,
        prompts: Sequence[str],
        duration: float,
        melody: AudioFile | None,
        on_progress: Callable[[float], None] | None,
        fields: LocalFields,
    ) -> list[AudioOutput]:
        engine = self.engine
        # none begins unless all are right
        requests = [engine.parse({"prompt": prompt, "duration": duration, **fields}, melody) for prompt in prompts]
        with engine.pending_requests() as pending:
            handles = pending.begin(requests)
            pending.wait(handles, len(handles), on_progress)
            clips = [engine.output(request, handle) for request, handle in zip(requests, handles, strict=True)]
        if on_progress is not None:
            on_progress(100.0)
        return clips


def expect_known(fields: LocalFields) -> LocalFields:
    """Return the fields. Raises TypeError, as Python does, for an argument that nobody knows."""
    known = LocalFields.__annotations__
    if strangers := [name for name in fields if name not in known]:
        raise TypeError(f"unknown: {', '.join(strangers)}; known are {', '.join(known)}")
    return fields
