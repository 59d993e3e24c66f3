"""Describe the response bodies of the AudioCraft REST API.

A field with a default may be absent.
"""

from __future__ import annotations

from typing import Literal

from api.openapi.schemas import ResponseModel


class MadeClip(ResponseModel):
    """The finished clip: a link to it, or the audio itself in base64."""

    success: Literal[True]
    generation_time: float
    format: str
    sample_rate: int
    audio_url: str = ""
    audio: str = ""


class Started(ResponseModel):
    """Poll /tasks/<task_id>."""

    task_id: str
    status: Literal["processing"]
