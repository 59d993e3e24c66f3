"""Describe one event of a job to the dialect that builds the webhook's body. Knows no dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from shared.jobs.job import Job
from shared.jobs.response_schemas import PartResponse


@dataclass(frozen=True)
class WebhookContext:
    """Hold one event of one job: the job as it was then, and where its links lead.

    `at` is UNIX seconds. `base` stands before a path of this API; `audio_url` is whole, and signed where it must be.
    `read_audio` counts the audio as served, and raises DeliveryFailed; `parts` are those of a composition, in order.
    `client` is for what a dialect itself keeps in Redis beside its jobs.
    """

    job: Job
    event: str
    at: float
    base: str
    audio_url: str
    queue_length: int
    client: redis.Redis
    read_audio: Callable[[], bytes]
    parts: Callable[[], list[PartResponse]]


WebhookBody = Callable[[WebhookContext], Mapping[str, Any]]
