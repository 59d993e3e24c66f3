"""Submit, poll and download over HTTP, as any client of the service does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import httpx
import numpy as np
import soundfile

from stack.errors import StackError

QUIETEST_PEAK = 0.001
SUFFIXES = {"WAV": ".wav", "FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3"}
ENDED = ("completed", "failed", "cancelled")


class DemoFailed(StackError):
    """Say that the service replied, but not as it should."""


@dataclass(frozen=True)
class Clip:
    """Describe a downloaded audio file that was opened and measured."""

    path: Path
    duration_s: float
    sample_rate_hz: int


class Client:
    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._http = httpx.Client(base_url=base_url, timeout=30.0, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()  # the API would wait for an open connection when it stops

    def submit(self, fields: Mapping[str, Any], melody: Path | None = None) -> str:
        """Submit a job and return its id. A melody makes the request a form, as a browser or `curl -F` sends it."""
        if melody is None:
            reply = self._http.post("/tasks", json=dict(fields))
        else:
            with melody.open("rb") as file:
                form = {key: str(value) for key, value in fields.items()}
                reply = self._http.post("/tasks", data=form, files={"melody": (melody.name, file, "audio/wav")})
        return str(_checked(reply)["task_id"])

    def task(self, task_id: str) -> dict[str, Any]:
        return _checked(self._http.get(f"/tasks/{task_id}"))

    def download(self, audio_url: str, folder: Path, name: str) -> Clip:
        """Download the task's audio. The link may be relative to the API or lead to a blob store elsewhere."""
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{name}.{os.getpid()}.part"
        try:
            with self._http.stream("GET", urljoin(self._base_url, audio_url), follow_redirects=True) as reply:
                reply.raise_for_status()
                with partial.open("wb") as file:
                    for block in reply.iter_bytes():
                        file.write(block)
            return _listen(partial, folder / name)
        finally:
            partial.unlink(missing_ok=True)


def _checked(reply: httpx.Response) -> dict[str, Any]:
    if reply.is_success:
        return dict(reply.json())
    raise DemoFailed(f"{reply.request.method} {reply.request.url} answered {reply.status_code}: {reply.text[:500]}")


def _listen(partial: Path, stem: Path) -> Clip:
    """Open the file as audio, refuse silence, and only then give it its name."""
    info = soundfile.info(partial)
    samples, rate_hz = soundfile.read(partial, dtype="float32")
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak) or peak < QUIETEST_PEAK:
        raise DemoFailed(f"{stem.name}: the audio is silent or broken (peak {peak})")
    path = stem.with_suffix(SUFFIXES.get(info.format, ".audio"))
    partial.replace(path)
    return Clip(path, len(samples) / rate_hz, rate_hz)
