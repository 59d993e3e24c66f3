"""Define what goes into an engine, what comes out, what it is: `EngineRequest`, `Clip`, `Progress`, `EngineInfo`.

Values only: imports no torch, so the worker can name them before the libraries' caches are set.

Parameters mean what audiocraft means by them, with some edges made plain:

* `temperature` 0 is greedy; `top_p` above 0 wins over `top_k`; `top_k` 0 is no limit.
* `guidance_scale` 1 is the conditions alone, and 0 the model alone: the prompt and the melody are ignored.
* `duration_s` is the full clip, the audio that it continues included; a melody too is laid along the full clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Stage = Literal["waiting", "conditioning", "decoding", "codec", "done"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]  # what each means: model/precisions.py
OnProgress = Callable[[int, int], None]  # called with (done, total)


@dataclass(frozen=True, eq=False)
class EngineRequest:
    """Ask for one clip. A blank prompt is no prompt; melody and audio may have any rate."""

    prompt: str | None
    duration_s: float
    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0
    guidance_scale: float = 3.0
    seed: int = 0
    melody: npt.NDArray[np.float32] | None = None  # [samples]
    melody_rate_hz: int = 32_000
    continue_from: npt.NDArray[np.float32] | None = None  # [channels, samples] or [samples]: the clip begins with it
    continue_rate_hz: int = 32_000
    # [codebooks, frames]: the clip begins with it, in this model's own codes; instead of audio, and exact
    continue_codes: npt.NDArray[np.int64] | None = None
    stream: bool = False  # chunks while it is decoded, not only the clip at the end

    @property
    def conditioned(self) -> bool:
        """Tell whether the model is conditioned: without guidance, or without text and melody, it is not."""
        return self.guidance_scale != 0 and (self.melody is not None or self.text is not None)

    @property
    def text(self) -> str | None:
        """Return the prompt as the model gets it: None when blank."""
        return self.prompt if self.prompt is not None and self.prompt.strip() else None


@dataclass(frozen=True, eq=False)
class Clip:
    """Hold one finished clip. The waveform has exactly round(duration_s * sample_rate_hz) samples."""

    waveform: npt.NDArray[np.float32]  # [channels, samples]
    sample_rate_hz: int
    generation_time_s: float
    codes: npt.NDArray[np.int64]  # [codebooks, steps]
    warnings: tuple[str, ...] = ()  # what was asked for and could not be had to the letter


@dataclass(frozen=True)
class Progress:
    """Say how far a request is: decode steps done of all its steps (every window's counted), and the stage."""

    step: int
    steps: int
    stage: Stage


@dataclass(frozen=True)
class EngineInfo:
    """Say what an engine is and can do. Equal requests give equal clips where these agree."""

    engine: str
    version: str
    checkpoint_digest: str  # sha256 over `files_of` the checkpoint (model/info.py)
    precision: Precision
    kv_precision: Precision  # of the KV cache
    device: str
    sample_rate_hz: int
    channels: int
    frame_rate_hz: float
    max_duration_s: float  # of one window; longer clips slide it
    melody: bool
    tokenizer_json: str | None  # of the text encoder, for `tokenizers.Tokenizer.from_str`: counts with </s>
    runner: str = "audiocraft"  # how steps are run: graphs, native, eager, or by audiocraft's own loop
    kernels: str = "torch"  # what multiplies: those of worker/engine/native by name, or torch's own
