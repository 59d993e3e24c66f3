"""Define the response bodies of the AudioCraft REST API."""

from __future__ import annotations

from typing import Literal

from shared.jobs.response_schemas import ResponseSchema


class ClipAudio(ResponseSchema, total=False):
    """Hold the audio of a finished clip: a link to it, or the file itself in base64."""

    audio_url: str
    audio: str


class MadeClip(ClipAudio):
    """Describe the finished clip: with a link to it, or with the audio itself in base64."""

    success: Literal[True]
    generation_time: float
    format: str
    sample_rate: int


class Started(ResponseSchema):
    """Poll /tasks/<task_id>."""

    task_id: str
    status: Literal["processing"]
