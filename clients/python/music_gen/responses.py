"""Define what the server responds with, as values. Written by tools/generate_client_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from music_gen.ends import BatchEnd, TaskEnd


def _as_sent(kind: type, response: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """Return the fields that need not be there, but are, as they are and by their own names; `others` are not."""
    optional = {each.name for each in fields(kind) if each.default is not MISSING} - set(others)
    return {name: response[name] for name in optional if name in response}


@dataclass(frozen=True)
class Fingerprint:
    """Say what a seed's promise holds within: same request, same seed, same fingerprint, same audio."""

    checkpoint: str
    engine: str
    precision: str
    device: str

    @classmethod
    def from_answer(cls, response: Mapping[str, Any]) -> Fingerprint:
        return cls(
            checkpoint=response["checkpoint"],
            engine=response["engine"],
            precision=response["precision"],
            device=response["device"],
        )


@dataclass(frozen=True)
class Part:
    """Describe the part of one instrument: a task of its own. Its status is gone once its record is."""

    name: str
    task_id: str
    status: str
    progress: float = 0.0  # percent
    prompt: str = ""
    seed: int | None = None
    audio_url: str | None = None
    level: float | None = None  # dB that it is mixed at; -96 leaves it out
    panning: float | None = None  # from -1 (left) to 1 (right)
    effects: tuple[Mapping[str, Any], ...] = ()  # that it goes through, first to last

    @classmethod
    def from_answer(cls, response: Mapping[str, Any]) -> Part:
        return cls(
            name=response["name"],
            task_id=response["task_id"],
            status=response["status"],
            progress=response.get("percent", 0.0),
            effects=tuple(response.get("effects", ())),
            **_as_sent(cls, response, "progress", "effects"),
        )


@dataclass(frozen=True)
class Task(TaskEnd):
    """Describe a task as it stands now."""

    id: str
    status: str
    stage: str = ""
    progress: float = 0.0  # percent
    current: int | None = None  # steps
    total: int | None = None  # steps
    position: int | None = None  # how many tasks are before it in the queue
    eta_s: float | None = None  # seconds until its end; null while it is unknown
    model: str = ""
    seed: int | None = None
    prompt: str = ""
    output_format: str = "wav"
    client_id: str | None = None
    attempts: int | None = None
    created_at: float | None = None  # UNIX seconds
    queue_time: float | None = None  # seconds
    run_time: float | None = None  # seconds
    total_time: float | None = None  # seconds
    status_url: str = ""
    continue_from: str | None = None  # the task whose audio it begins with; null for an upload
    continued_seconds: float | None = None  # seconds of the duration that are that audio, to within 0.02
    melody_seconds: float | None = None  # seconds of the melody
    beginning_seconds: float | None = None  # seconds of continue_audio, before continue_seconds cut it
    # the fields by which POST /tasks makes it again; a recording that came with it is none
    request: Mapping[str, Any] | None = None
    title: str | None = None
    favourite: bool | None = None  # it is kept until it is none any more
    batch_id: str | None = None
    part: str | None = None
    part_of: str | None = None  # the task of the whole piece
    filename: str | None = None
    format: str | None = None
    duration_s: float | None = None  # seconds
    sample_rate_hz: int | None = None  # Hz
    channels: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    generation_time: float | None = None
    fingerprint: Fingerprint | None = None
    warnings: tuple[str, ...] = ()  # at once what was odd about an upload; in the end all
    audio_url: str | None = None
    error: str | None = None
    error_code: str | None = None
    error_details: Mapping[str, Any] | None = None
    tempo_bpm: int | None = None
    key: str | None = None
    continue_at: float | None = None  # seconds at which the earlier task's audio is cut
    mix_preset: str | None = None
    mix_of: str | None = None  # the earlier piece whose stems are mixed again
    loudness: float | None = None  # LUFS of the mix
    parts: tuple[Part, ...] = ()
    events_url: str | None = None  # signed once keys exist, for EventSource
    stream_url: str | None = None  # of one with stream: true; signed as events_url
    gone: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of it, as it came

    @classmethod
    def from_answer(cls, response: Mapping[str, Any]) -> Task:
        return cls(
            id=response["task_id"],
            status=response["status"],
            duration_s=response.get("duration"),
            sample_rate_hz=response.get("sample_rate"),
            fingerprint=Fingerprint.from_answer(response["fingerprint"]) if "fingerprint" in response else None,
            warnings=tuple(response.get("warnings", ())),
            parts=tuple(map(Part.from_answer, response.get("parts", ()))),
            raw=response,
            **_as_sent(cls, response, "duration_s", "sample_rate_hz", "fingerprint", "warnings", "parts"),
        )


@dataclass(frozen=True)
class Share:
    """Describe a link that shares a task: whoever has it can hear that task, without a key."""

    id: str
    task_id: str
    url: str  # a page with a player; its audio is below it
    created_at: float  # UNIX seconds
    expires_at: float  # UNIX seconds

    @classmethod
    def from_answer(cls, response: Mapping[str, Any]) -> Share:
        return cls(
            id=response["share_id"],
            task_id=response["task_id"],
            url=response["url"],
            created_at=response["created_at"],
            expires_at=response["expires_at"],
        )


@dataclass(frozen=True)
class Batch(BatchEnd):
    """Describe a batch as it stands now. `progress` is the percent done over all, each by its seconds of music."""

    id: str
    status: str
    counts: Mapping[str, int]
    total: int
    progress: float  # percent
    eta_s: float | None  # seconds until its end; null while it is unknown
    created_at: float  # UNIX seconds
    status_url: str
    tasks: tuple[Task, ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of it, as it came

    @classmethod
    def from_answer(cls, response: Mapping[str, Any]) -> Batch:
        return cls(
            id=response["batch_id"],
            status=response["status"],
            counts=response["counts"],
            total=response["total"],
            progress=response["progress"],
            eta_s=response["eta_s"],
            created_at=response["created_at"],
            status_url=response["status_url"],
            tasks=tuple(map(Task.from_answer, response["tasks"])),
            raw=response,
        )
