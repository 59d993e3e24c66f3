"""What the server responds with, as values. Written by tools/generate_client_types.py; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from music_gen.ends import BatchEnd, TaskEnd


@dataclass(frozen=True)
class Fingerprint:
    """What a seed's promise holds within: same request, same seed, same fingerprint, same audio."""

    checkpoint: str
    engine: str
    precision: str
    device: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Fingerprint:
        return cls(
            checkpoint=answer["checkpoint"],
            engine=answer["engine"],
            precision=answer["precision"],
            device=answer["device"],
        )


@dataclass(frozen=True)
class Part:
    """One part of a piece for several instruments: a task of its own. Its status is gone once its record is."""

    name: str
    task_id: str
    status: str
    progress: float = 0.0  # percent
    prompt: str = ""
    seed: int | None = None
    audio_url: str | None = None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Part:
        return cls(
            name=answer["name"],
            task_id=answer["task_id"],
            status=answer["status"],
            progress=answer.get("percent", 0.0),
            prompt=answer.get("prompt", ""),
            seed=answer.get("seed"),
            audio_url=answer.get("audio_url"),
        )


@dataclass(frozen=True)
class Task(TaskEnd):
    """A task as it stands now."""

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
    mix_preset: str | None = None
    parts: tuple[Part, ...] = ()
    events_url: str | None = None  # signed once keys exist, for EventSource
    stream_url: str | None = None  # of one with stream: true; signed as events_url
    gone: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)  # all of it, as it came

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Task:
        return cls(
            id=answer["task_id"],
            status=answer["status"],
            stage=answer.get("stage", ""),
            progress=answer.get("progress", 0.0),
            current=answer.get("current"),
            total=answer.get("total"),
            position=answer.get("position"),
            eta_s=answer.get("eta_s"),
            model=answer.get("model", ""),
            seed=answer.get("seed"),
            prompt=answer.get("prompt", ""),
            output_format=answer.get("output_format", "wav"),
            client_id=answer.get("client_id"),
            attempts=answer.get("attempts"),
            created_at=answer.get("created_at"),
            queue_time=answer.get("queue_time"),
            run_time=answer.get("run_time"),
            total_time=answer.get("total_time"),
            status_url=answer.get("status_url", ""),
            continue_from=answer.get("continue_from"),
            continued_seconds=answer.get("continued_seconds"),
            melody_seconds=answer.get("melody_seconds"),
            beginning_seconds=answer.get("beginning_seconds"),
            batch_id=answer.get("batch_id"),
            part=answer.get("part"),
            part_of=answer.get("part_of"),
            filename=answer.get("filename"),
            format=answer.get("format"),
            duration_s=answer.get("duration"),
            sample_rate_hz=answer.get("sample_rate"),
            channels=answer.get("channels"),
            bytes=answer.get("bytes"),
            sha256=answer.get("sha256"),
            generation_time=answer.get("generation_time"),
            fingerprint=Fingerprint.from_answer(answer["fingerprint"]) if "fingerprint" in answer else None,
            warnings=tuple(answer.get("warnings", ())),
            audio_url=answer.get("audio_url"),
            error=answer.get("error"),
            error_code=answer.get("error_code"),
            error_details=answer.get("error_details"),
            tempo_bpm=answer.get("tempo_bpm"),
            key=answer.get("key"),
            mix_preset=answer.get("mix_preset"),
            parts=tuple(map(Part.from_answer, answer.get("parts", ()))),
            events_url=answer.get("events_url"),
            stream_url=answer.get("stream_url"),
            gone=answer.get("gone", False),
            raw=answer,
        )


@dataclass(frozen=True)
class Batch(BatchEnd):
    """A batch as it stands now. `progress` is the percent done over all, each by its seconds of music."""

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
    def from_answer(cls, answer: Mapping[str, Any]) -> Batch:
        return cls(
            id=answer["batch_id"],
            status=answer["status"],
            counts=answer["counts"],
            total=answer["total"],
            progress=answer["progress"],
            eta_s=answer["eta_s"],
            created_at=answer["created_at"],
            status_url=answer["status_url"],
            tasks=tuple(map(Task.from_answer, answer["tasks"])),
            raw=answer,
        )
