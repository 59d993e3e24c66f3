"""Name all that the application needs to know of one published API. Its folder exports one, as DIALECT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import redis
from flask import Blueprint

from api.auth.keys import Keys
from api.auth.path_rules import PathRules
from api.handlers.health import HealthCheck
from api.handlers.task_overrides import TaskOverrides
from api.http.error_handlers import RenderError
from api.openapi.operations import Section
from api.services.job_counts import JobCounter
from api.services.job_service import JobService
from api.streaming.audio_hub import AudioHub
from api.streaming.event_hub import EventHub
from api.streaming.shutdown import Shutdown
from shared.jobs.event_log import EventLog
from shared.settings import Settings
from shared.webhooks.delivery_queue import DeliveryQueue


@dataclass(frozen=True)
class Services:
    """Give what a dialect's routes are built from; one of each per process."""

    settings: Settings
    client: redis.Redis
    keys: Keys
    job_service: JobService
    job_counter: JobCounter
    health: HealthCheck
    event_log: EventLog
    event_hub: EventHub
    audio_hub: AudioHub
    shutdown: Shutdown
    deliveries: DeliveryQueue


@dataclass(frozen=True)
class Dialect:
    """Describe one published API.

    `name` is the `source` that its jobs' records carry: housekeeping finds the webhook's body by it (shared/dialects).
    `sections` describe its operations: those that are posted and do not submit count as polls. `render_error` makes the
    body of every error at an address that begins with one of `paths`, the longest of all dialects' deciding;
    `endpoint_errors` does so for single routes, by Flask's names. `task_overrides` is by a job's source.
    """

    name: str
    blueprints: Callable[[Services], Sequence[Blueprint]]
    sections: tuple[Section, ...]
    render_error: RenderError
    paths: tuple[str, ...]
    path_rules: PathRules = field(default_factory=PathRules)
    endpoint_errors: Mapping[str, RenderError] = field(default_factory=dict)
    task_overrides: Mapping[str, TaskOverrides] = field(default_factory=dict)
