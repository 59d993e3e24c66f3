"""Run one model in this process: validate a request, decode it, wait for it, write its file.

Owns loading and waiting; what a request may be is `shared.music.request`'s, the music `worker.engine`'s, the file
`shared.audio.encode`'s. All of them are heavy, and imported when an engine is opened.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile

from music_gen import errors
from music_gen.audio import AudioOutput
from music_gen.local.repo_import import load, translated
from music_gen.request_fields import AudioFile

if TYPE_CHECKING:
    import torch

    from shared.music.request import MusicRequest
    from worker.engine.core.handle import Handle
    from worker.engine.core.types import EngineRequest

EXTRA = "local"
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
CHECK_EVERY_S = 0.5
LONGEST_S = 240.0  # of music; longer than one window, the engine slides it


@dataclass(frozen=True)
class LocalRequest:
    """Hold a request as it was asked, and as the engine takes it."""

    asked: MusicRequest
    engine_request: EngineRequest


class LocalEngine:
    """Generate for several threads at once: their requests share each step of the decoder."""

    def __init__(
        self, model: str, device: str, dtype: torch.dtype | str | None, cache_dir: str | Path | None, slots: int | None
    ) -> None:
        """Raises LocalUnavailable, InvalidRequest."""
        weights = load("worker.engine_factory", extra=EXTRA)
        self._settings = _settings(model, device, dtype, cache_dir, slots)
        with _translated():
            self._model = load("shared.music.catalog", extra=EXTRA).Catalog(self._settings).for_worker(model)
            try:
                self._engine = weights.load_engine(self._model, self._settings)
            except ImportError as error:
                raise errors.LocalUnavailable(f"{error}; see docs/clients/python.md for what to install") from error
        self._count_tokens = _token_counter(self._engine.info.tokenizer_json)

    def close(self) -> None:
        """End what still runs, and the engine's threads."""
        self._engine.close()

    @property
    def model(self) -> str:
        return str(self._model.name)

    @property
    def sample_rate_hz(self) -> int:
        return int(self._engine.info.sample_rate_hz)

    @property
    def takes_melodies(self) -> bool:
        return bool(self._engine.info.melody)

    def parse(self, fields: Mapping[str, Any], melody: AudioFile | None = None) -> LocalRequest:
        """Validate the fields. Raises InvalidRequest that names each bad one."""
        if melody is not None and not self.takes_melodies:
            message = f"the model {self.model} takes none; melody, melody-large or tiny does"
            raise errors.InvalidRequest.of({"field": "melody", "message": message, "value": self.model})
        limits = load("shared.music.request_limits", extra=EXTRA).Limits(
            LONGEST_S, self._settings.max_prompt_tokens, self._settings.max_prompt_chars, self._count_tokens
        )
        melody_samples, rate_hz = (None, self.sample_rate_hz) if melody is None else read_melody(melody)
        ref = None if melody_samples is None else {"key": "", "seconds": len(melody_samples) / rate_hz, "sha256": ""}
        with _translated():
            asked = load("shared.music.parse_request", extra=EXTRA).parse_request(
                {"model": self.model, "melody": ref, **fields}, limits
            )
        lacking = self._lacking(asked.output_format)
        if lacking is not None:
            raise errors.InvalidRequest.of(lacking)
        engine_request = load("worker.engine.core.types", extra=EXTRA).EngineRequest(
            prompt=asked.prompt,
            duration_s=asked.duration_s,
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            guidance_scale=asked.guidance_scale,
            seed=secrets.randbelow(2**31) if asked.seed is None else asked.seed,
            melody=melody_samples,
            melody_rate_hz=rate_hz,
        )
        return LocalRequest(asked, engine_request)

    @contextmanager
    def pending_requests(self) -> Iterator[PendingRequests]:
        """End all requests that were begun inside, whatever made us leave: Ctrl-C ends them at their next step."""
        pending = PendingRequests(self._engine)
        try:
            with _translated():
                yield pending
        finally:
            pending.cancel()

    def output(self, local_request: LocalRequest, handle: Handle) -> AudioOutput:
        """Return a finished request's clip. Raises what the request ended with, GenerationFailed, TaskCancelled."""
        engine_request, asked = local_request.engine_request, local_request.asked
        with _translated():
            clip = handle.result()
            file = self.file(clip.waveform, clip.sample_rate_hz, asked, engine_request.seed)
        return AudioOutput(
            file.data,
            asked.output_format,
            samples=clip.waveform if asked.loudness is None else None,
            sample_rate_hz=clip.sample_rate_hz if asked.loudness is None else None,
            prompt=asked.prompt,
            model=self.model,
            seed=engine_request.seed,
            warnings=(*asked.warnings, *clip.warnings, *file.warnings),
        )

    def file(self, samples: Any, sample_rate_hz: int, asked: MusicRequest, seed: int) -> Any:
        """Return the file that the service would write. samples: [channels, samples]"""
        tags = load("shared.audio.tags", extra=EXTRA).tags_for(asked, seed, self.model)
        encode = load("shared.audio.encode", extra=EXTRA).encode
        written = {"loudness_lufs": asked.loudness, "tags": tags, "ffmpeg": self._ffmpeg}
        return encode(samples, sample_rate_hz, asked.output_format, **written)

    def _lacking(self, output_format: str) -> dict[str, str] | None:
        """Return the fault of a format that nothing here writes."""
        formats = load("shared.music.formats", extra=EXTRA)
        if not formats.FORMATS[output_format].needs_ffmpeg or self._ffmpeg is not None:
            return None
        message = formats.lacks_ffmpeg(output_format, "this machine")
        return {"field": "output_format", "message": message, "value": output_format, "code": "FORMAT_UNAVAILABLE"}

    @cached_property
    def _ffmpeg(self) -> str | None:
        """Return the program that writes m4a and aac. Raises InvalidRequest where FFMPEG names none that does."""
        with _translated():
            found: str | None = load("shared.audio.ffmpeg", extra=EXTRA).find_ffmpeg(self._settings.ffmpeg)
        return found


class PendingRequests:
    """Hold the requests of one call while they are decoded."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._handles: list[Handle] = []

    def begin(self, requests: Sequence[LocalRequest]) -> list[Handle]:
        fresh: list[Handle] = []
        for local_request in requests:
            fresh.append(self._engine.submit(local_request.engine_request))
            self._handles.append(fresh[-1])
        return fresh

    def wait(self, handles: Sequence[Handle], of: int, on_progress: Callable[[float], None] | None) -> None:
        """Wait until these have ended; raises the error of one that failed. `of`: requests, those not begun too."""
        for handle in handles:
            while not handle.wait(CHECK_EVERY_S):
                if on_progress is not None:
                    on_progress(self._percent(of))
            handle.result()

    def cancel(self) -> None:
        for handle in self._handles:
            handle.cancel()  # it does nothing once the request has ended

    def _percent(self, of: int) -> float:
        all_progress = [handle.progress for handle in self._handles]
        return 99.0 / of * sum(each.step / each.steps for each in all_progress if each.steps)


def _settings(model: str, device: str, dtype: object, cache_dir: str | Path | None, slots: int | None) -> Any:
    """Raises InvalidRequest for a device or dtype that nobody has."""
    from pydantic import ValidationError

    name = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    fields = {"model": model, "device": device, "precision": PRECISIONS.get(name, name), "slots": slots}
    try:
        return load("shared.settings", extra=EXTRA).Settings(_env_file=None, **fields, cache_dir=cache_dir)
    except ValidationError as error:
        faults = [
            {"field": ".".join(map(str, e["loc"])), "message": e["msg"], "value": repr(e["input"])}
            for e in error.errors()
        ]
        raise errors.InvalidRequest.of(*faults) from error


def _token_counter(tokenizer_json: str | None) -> Callable[[str], int] | None:
    if tokenizer_json is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    return lambda prompt: len(tokenizer.encode(prompt).ids)


def read_melody(melody: AudioFile) -> tuple[Any, int]:
    """Return mono samples, and their rate. [samples]"""
    try:
        frames, rate_hz = soundfile.read(
            io.BytesIO(melody) if isinstance(melody, bytes) else str(melody), dtype="float32", always_2d=True
        )  # [samples, channels]
    except (soundfile.SoundFileError, OSError) as error:
        message = f"cannot be read: {error}; give a wav, flac, ogg or mp3 file"
        raise errors.InvalidRequest.of({"field": "melody", "message": message, "value": ""}) from error
    return frames.mean(axis=1), rate_hz


@contextmanager
def _translated() -> Iterator[None]:
    handles = load("worker.engine.core.handle", extra=EXTRA)
    with translated(EXTRA):
        try:
            yield
        except handles.Cancelled as error:
            raise errors.TaskCancelled(str(error)) from error
