"""Hold one clip of music, as a file's bytes and as samples: save it, play it, show it.

`numpy()` is what was made where this process made it, and what the file holds where a server did.
"""

from __future__ import annotations

import html
import io
import os
import subprocess
import sys
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import soundfile

from music_gen.audio_decoder import decode
from music_gen.audio_player import FILE_PLAYERS, find_player

if TYPE_CHECKING:
    from music_gen.types import Task

Samples = npt.NDArray[np.float32]

MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
}
ENCODED: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.4},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}
LOUDEST_PEAKS = {"wav": 1.0, "flac": 1.0}
LOUDEST_LOSSY = 0.89  # -1 dBFS: a lossy codec's peaks come out higher than they went in


class AudioOutput:
    """Hold a clip: `data` is a complete audio file of that `format`."""

    def __init__(
        self,
        data: bytes,
        format: str = "wav",
        *,
        samples: Samples | None = None,  # [channels, samples]
        sample_rate_hz: int | None = None,
        prompt: str = "",
        model: str = "",
        seed: int | None = None,
        warnings: tuple[str, ...] = (),
        task: Task | None = None,
    ) -> None:
        self.data, self.format = data, format
        self.prompt, self.model, self.seed = prompt, model, seed
        self.warnings = warnings  # what was asked for and could not be had to the letter
        self.task = task  # None where no server made it
        self._samples, self._sample_rate_hz = samples, sample_rate_hz

    @classmethod
    def from_samples(cls, samples: npt.ArrayLike, sample_rate_hz: int, **details: Any) -> Self:
        """Make a clip of floats, [channels, samples] or [samples].

        As a file it is a WAV, scaled down if it would clip.
        """
        floats = np.atleast_2d(np.asarray(samples, dtype=np.float32))
        return cls(_encode(floats, sample_rate_hz, "wav"), samples=floats, sample_rate_hz=sample_rate_hz, **details)

    def numpy(self) -> Samples:
        """Return the samples, [channels, samples]; full scale is 1.0. Raises DecoderMissing."""
        return self._decoded()[0]

    @property
    def sample_rate_hz(self) -> int:
        return self._about("sample_rate_hz") or self._decoded()[1]

    @property
    def duration_s(self) -> float:
        if seconds := self._about("duration_s"):
            return float(seconds)
        samples, rate_hz = self._decoded()
        return float(samples.shape[1] / rate_hz)

    def save(self, path: str | Path) -> Path:
        """Write the file; its suffix says what kind. The bytes as they are where that is theirs, else encoded anew.

        Raises DecoderMissing, ValueError for a kind that is not written here.
        """
        path = Path(path)
        data = self._as(path.suffix.lower().removeprefix("."), path)
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    def play(self) -> None:
        """Play it, to its end; in a notebook a player appears instead. Raises PlayerMissing, DecoderMissing."""
        if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) and shell.has_trait("kernel"):
            sys.modules["IPython"].display.display(self)
            return
        player = find_player(FILE_PLAYERS, "save() it, and open the file")
        with tempfile.TemporaryDirectory() as folder:
            path = self.save(Path(folder) / "music.wav")
            subprocess.run([*player, str(path)], check=True, stdin=subprocess.DEVNULL)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_player(self)

    def __repr__(self) -> str:
        return f"AudioOutput({self.prompt!r}, {self.duration_s:.1f} s, {self.format}, {self.sample_rate_hz} Hz)"

    def _about(self, name: str) -> Any:
        """Return what the server told of a file that is not decoded yet."""
        kept = self.task is not None and self.task.output_format == self.format  # not what was converted of it
        return getattr(self.task, name, None) if kept and self._samples is None else None

    def _decoded(self) -> tuple[Samples, int]:
        if self._samples is None or self._sample_rate_hz is None:
            self._samples, self._sample_rate_hz = decode(self.data, self.format)
        return self._samples, self._sample_rate_hz

    def _as(self, kind: str, path: Path) -> bytes:
        if kind == self.format:
            return self.data
        if kind not in ENCODED:
            remedy = f"end its name in .{', .'.join(ENCODED)}, or in .{self.format}, which this clip is"
            raise ValueError(f"{path.name}: cannot write that kind of file; {remedy}")
        return _encode(*self._decoded(), kind)


def html_player(clip: AudioOutput, name: str = "") -> str:
    """Return a player as HTML, with the whole file in it; `name` says which of several clips it is."""
    source = f"data:{MEDIA_TYPES[clip.format]};base64,{b64encode(clip.data).decode()}"
    made_by = [clip.model] if clip.model else []
    made_by += [f"seed {clip.seed}"] if clip.seed is not None else []
    made = f"{clip.prompt} ({', '.join(made_by)})" if made_by else clip.prompt
    caption = html.escape(f"{name}: {made}" if name else made)
    return f'<figure><audio controls src="{source}"></audio><figcaption>{caption}</figcaption></figure>'


def _encode(samples: Samples, rate_hz: int, kind: str) -> bytes:
    peak = float(np.abs(samples).max(initial=0.0))
    levelled = samples * np.float32(min(1.0, LOUDEST_PEAKS.get(kind, LOUDEST_LOSSY) / max(peak, 1e-9)))
    file = io.BytesIO()
    soundfile.write(file, levelled.T, rate_hz, **ENCODED[kind])
    return file.getvalue()
