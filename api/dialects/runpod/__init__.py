"""Speak RunPod's serverless protocol under /v2."""

from __future__ import annotations

from flask import Blueprint

from api.dialects.dialect import Dialect, Services
from api.dialects.runpod import routes
from shared.dialects.runpod import SOURCE
from shared.dialects.runpod_notes import RunpodNotes


def blueprints(services: Services) -> list[Blueprint]:
    """Return the routes, over what the protocol remembers beside the jobs."""
    settings = services.settings
    notes = RunpodNotes(services.client, settings.result_ttl_s)
    return [routes.blueprint(services.job_service, notes, services.job_counter, settings)]


DIALECT = Dialect(
    name=SOURCE,
    blueprints=blueprints,
    sections=(routes.SECTION,),
    render_error=routes.render_error,
    paths=("/v2/",),
)
