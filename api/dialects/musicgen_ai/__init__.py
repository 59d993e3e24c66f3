"""Speak the Music Gen AI API under /api/v1, its WebSocket included."""

from __future__ import annotations

from flask import Blueprint

from api.auth.path_rules import PathRules
from api.dialects.dialect import Dialect, Services
from api.dialects.musicgen_ai import routes, websocket


def blueprints(services: Services) -> list[Blueprint]:
    """Return the routes and the WebSocket's."""
    job_service, settings = services.job_service, services.settings
    return [
        routes.blueprint(job_service, services.health, settings),
        websocket.blueprint(job_service, services.audio_hub, services.shutdown, services.keys, settings),
    ]


DIALECT = Dialect(
    name=routes.SOURCE,
    blueprints=blueprints,
    sections=(routes.SECTION, websocket.SECTION),
    render_error=routes.render_error,
    paths=(f"{routes.PREFIX}/", routes.STREAM),
    # what comes over the WebSocket is under all of the account's limits, also with a ticket
    path_rules=PathRules(open_paths=frozenset({routes.HEALTH}), session_paths=frozenset(websocket.PATHS)),
)
