"""MusicGenerator: music made in this process, by the engine that the workers run, without server, broker or queue.

Owns loading and waiting; what a request may be is `shared.request`'s, the music `worker.engine`'s, the file
`worker.audio`'s. All of them are heavy, and imported when a generator is made.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import soundfile

from music_gen import errors
from music_gen.audio import AudioOutput
from music_gen.calls import Melody
from music_gen.checkout import load

if TYPE_CHECKING:
    import torch

    from worker.engine.handle import Handle

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
LOOK_EVERY_S = 0.5
LONGEST_S = 240.0  # of music; longer than one window, the engine slides it


class MusicGenerator:
    """One model in memory. Several threads may call it: their pieces share each step of the decoder."""

    def __init__(
        self,
        model: str = "facebook/musicgen-small",
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
        weights = load("worker.weights", extra="local")
        self._settings = _settings(model, device, dtype, cache_dir, slots)
        with _translated():
            self._model = load("shared.catalog", extra="local").Catalog(self._settings).for_worker(model)
            try:
                self._engine = weights.load_engine(self._model, self._settings)
            except ImportError as error:
                raise errors.LocalUnavailable(f"{error}; see docs/clients/python.md for what to install") from error
        self._count_tokens = _token_counter(self._engine.info.tokenizer_json)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what still runs, and the engine's threads."""
        self._engine.close()

    @property
    def model(self) -> str:
        return str(self._model.name)

    @property
    def sample_rate_hz(self) -> int:
        return int(self._engine.info.sample_rate_hz)

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
        melody: Melody | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> AudioOutput:
        """One clip. `on_progress` is told the percent done; Ctrl-C ends the piece at its next step.

        Raises InvalidRequest that names each bad field, GenerationFailed.
        """
        fields: dict[str, Any] = {"duration": duration, "temperature": temperature, "top_k": top_k, "top_p": top_p}
        fields |= {"seed": seed, "guidance_scale": guidance_scale}
        return self._make([prompt], fields, melody, on_progress)[0]

    def generate_batch(
        self,
        prompts: Sequence[str],
        duration: float = 8.0,
        *,
        melody: Melody | None = None,
        on_progress: Callable[[float], None] | None = None,
        **fields: Any,
    ) -> list[AudioOutput]:
        """A clip for each prompt, made together; `fields` as `generate` has them, for all: a seed is each one's."""
        return self._make(prompts, {"duration": duration, **fields}, melody, on_progress)

    def _make(
        self,
        prompts: Sequence[str],
        fields: dict[str, Any],
        melody: Melody | None,
        on_progress: Callable[[float], None] | None,
    ) -> list[AudioOutput]:
        pieces = [self._piece(prompt, fields, melody) for prompt in prompts]
        handles: list[Handle] = []
        try:
            with _translated():
                for piece in pieces:  # none begins unless all are right
                    handles.append(self._engine.submit(piece))
                _wait(handles, on_progress)
                return [self._output(piece, handle) for piece, handle in zip(pieces, handles, strict=True)]
        finally:
            for handle in handles:
                handle.cancel()  # whatever made us leave; it does nothing once the piece has ended

    def _piece(self, prompt: str, fields: dict[str, Any], melody: Melody | None) -> Any:
        """The request through the one validator, as the engine takes it."""
        requests, engine = load("shared.request", extra="local"), load("worker.engine.piece", extra="local")
        limits = requests.Limits(
            LONGEST_S, self._settings.max_prompt_tokens, self._settings.max_prompt_chars, self._count_tokens
        )
        heard, rate_hz = (None, self.sample_rate_hz) if melody is None else _read_melody(melody)
        ref = None if heard is None else requests.MelodyRef(key="", seconds=len(heard) / rate_hz, sha256="")
        with _translated():
            asked = requests.parse_request({"prompt": prompt, "model": self.model, "melody": ref, **fields}, limits)
        return engine.Piece(
            prompt=asked.prompt,
            duration_s=asked.duration_s,
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            guidance_scale=asked.guidance_scale,
            seed=secrets.randbelow(2**31) if asked.seed is None else asked.seed,
            melody=heard,
            melody_rate_hz=rate_hz,
        )

    def _output(self, piece: Any, handle: Handle) -> AudioOutput:
        clip = handle.result()
        tags = load("worker.tags", extra="local").Tags(
            piece.prompt or "Untitled",
            json.dumps({"prompt": piece.prompt, "seed": piece.seed, "model": self.model}, ensure_ascii=False),
        )
        file = load("worker.audio", extra="local").encode(clip.waveform, clip.sample_rate_hz, "wav", tags=tags)
        return AudioOutput(
            file.data,
            "wav",
            samples=clip.waveform,
            sample_rate_hz=clip.sample_rate_hz,
            prompt=piece.prompt,
            model=self.model,
            seed=piece.seed,
            warnings=(*clip.warnings, *file.warnings),
        )


def _wait(handles: Sequence[Handle], on_progress: Callable[[float], None] | None) -> None:
    """Until all have ended, or one badly: that one's error is raised."""
    for handle in handles:
        while not handle.wait(LOOK_EVERY_S):
            if on_progress is not None:
                on_progress(_percent(handles))
        handle.result()
    if on_progress is not None:
        on_progress(100.0)


def _percent(handles: Sequence[Handle]) -> float:
    all_progress = [handle.progress for handle in handles]
    steps = sum(progress.steps for progress in all_progress)
    return 99.0 * sum(progress.step for progress in all_progress) / steps if steps else 0.0


def _settings(model: str, device: str, dtype: object, cache_dir: str | Path | None, slots: int | None) -> Any:
    """Raises InvalidRequest for a device or dtype that nobody has."""
    from pydantic import ValidationError

    name = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    fields = {"model": model, "device": device, "precision": PRECISIONS.get(name, name), "slots": slots}
    try:
        return load("shared.settings", extra="local").Settings(_env_file=None, **fields, cache_dir=cache_dir)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        raise errors.InvalidRequest(told, code="INVALID_REQUEST") from error


def _token_counter(tokenizer_json: str | None) -> Callable[[str], int] | None:
    if tokenizer_json is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    return lambda prompt: len(tokenizer.encode(prompt).ids)


def _read_melody(melody: Melody) -> tuple[Any, int]:
    """Mono samples, and their rate. [samples]"""
    try:
        frames, rate_hz = soundfile.read(
            io.BytesIO(melody) if isinstance(melody, bytes) else str(melody), dtype="float32", always_2d=True
        )  # [samples, channels]
    except (soundfile.SoundFileError, OSError) as error:
        fault = {
            "field": "melody",
            "message": f"cannot be read: {error}; give a wav, flac, ogg or mp3 file",
            "value": "",
        }
        raise errors.InvalidRequest(f"melody: {fault['message']}", details={"fields": [fault]}) from error
    return frames.mean(axis=1), rate_hz


@contextmanager
def _translated() -> Iterator[None]:
    """Ostinato's own errors as this package's."""
    ours = load("shared.errors", extra="local")
    ended = load("worker.engine.handle", extra="local")
    try:
        yield
    except (ours.RequestError, ours.ConfigurationError) as error:
        raise errors.InvalidRequest(error.message, code=error.code, details=error.details) from error
    except ours.OstinatoError as error:
        raise errors.GenerationFailed(error.message, code=error.code) from error
    except ended.Cancelled as error:
        raise errors.TaskCancelled(str(error)) from error
