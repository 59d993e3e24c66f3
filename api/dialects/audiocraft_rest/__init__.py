"""Speak the AudioCraft REST API."""

from __future__ import annotations

from api.dialects.audiocraft_rest import routes
from api.dialects.dialect import Dialect
from api.handlers.task_overrides import TaskOverrides

DIALECT = Dialect(
    name=routes.SOURCE,
    blueprints=lambda services: [routes.blueprint(services.job_service, services.settings)],
    sections=(routes.SECTION,),
    render_error=routes.render_error,
    paths=("/generate", "/audio"),
    task_overrides={routes.ASYNC_SOURCE: TaskOverrides(routes.audio_path, routes.cancelled_as_failed)},
)
