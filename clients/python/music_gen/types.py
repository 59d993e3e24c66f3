"""What the server tells, as values: Task, Part, Batch, Event, Webhook. What this version does not know is in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ENDS = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Part:
    """One instrument of a piece: a task of its own. `status` is gone once its record is."""

    name: str
    task_id: str
    status: str
    progress: float = 0.0
    prompt: str = ""
    seed: int | None = None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Part:
        told = {name: answer[name] for name in ("name", "task_id", "status", "prompt", "seed") if name in answer}
        return cls(**told, progress=answer.get("percent", 0.0))


@dataclass(frozen=True)
class Task:
    """A task as it stood when it was asked for. `status` is processing until it ends; `stage` tells more."""

    id: str
    status: str
    stage: str = ""
    progress: float = 0.0  # percent
    position: int | None = None  # tasks before it in line
    eta_s: float | None = None
    model: str = ""
    seed: int | None = None
    prompt: str = ""
    output_format: str = "wav"
    batch_id: str | None = None
    duration_s: float | None = None  # from here on: of a completed one
    sample_rate_hz: int | None = None
    sha256: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None  # of a failed one
    error_code: str | None = None
    gone: bool = False  # of a batch's: how it ended is all that is still known
    parts: tuple[Part, ...] = ()  # of a piece for several instruments, as are the next three
    tempo_bpm: int | None = None
    key: str | None = None
    mix_preset: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        return self.status in ENDS

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Task:
        return cls(
            id=answer["task_id"],
            status=answer["status"],
            stage=answer.get("stage", ""),
            progress=answer.get("progress", 0.0),
            position=answer.get("position"),
            eta_s=answer.get("eta_s"),
            model=answer.get("model", ""),
            seed=answer.get("seed"),
            prompt=answer.get("prompt", ""),
            output_format=answer.get("output_format", "wav"),
            batch_id=answer.get("batch_id"),
            duration_s=answer.get("duration"),
            sample_rate_hz=answer.get("sample_rate"),
            sha256=answer.get("sha256"),
            warnings=tuple(answer.get("warnings", ())),
            error=answer.get("error"),
            error_code=answer.get("error_code"),
            gone=answer.get("gone", False),
            parts=tuple(map(Part.from_answer, answer.get("parts", ()))),
            tempo_bpm=answer.get("tempo_bpm"),
            key=answer.get("key"),
            mix_preset=answer.get("mix_preset"),
            raw=answer,
        )


@dataclass(frozen=True)
class Batch:
    """Many tasks under one id, in the order of their requests. `status` may also be partial."""

    id: str
    status: str
    counts: Mapping[str, int]
    progress: float
    eta_s: float | None
    tasks: tuple[Task, ...]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        return self.status != "processing"

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Batch:
        return cls(
            id=answer["batch_id"],
            status=answer["status"],
            counts=answer["counts"],
            progress=answer["progress"],
            eta_s=answer["eta_s"],
            tasks=tuple(map(Task.from_answer, answer["tasks"])),
            raw=answer,
        )


def id_of(told: Task | Batch | str) -> str:
    return told if isinstance(told, str) else told.id


@dataclass(frozen=True)
class Event:
    """One event of a task's life. The last one (completed, failed, cancelled) carries the task; `gone` carries none."""

    name: str
    data: Mapping[str, Any]
    id: str | None = None

    @property
    def last(self) -> bool:
        return self.name in ENDS or self.name == "gone"

    @property
    def task(self) -> Task | None:
        return Task.from_answer(self.data) if self.name in ENDS else None


@dataclass(frozen=True)
class Webhook:
    """A verified call of your webhook: `type` is task.completed or the like, `id` the same over all its deliveries."""

    id: str
    type: str
    timestamp: str
    task: Task
