"""Register the native API as the published ones are. Its routes are api/routes; it owns what no other does."""

from __future__ import annotations

from flask import Blueprint

from api.auth.path_rules import PathRules
from api.conversion.converter import Converter
from api.dialects.dialect import Dialect, Services
from api.handlers.long_poll import LongPolls
from api.routes import audio, batches, deliveries, events, metrics, multi_instrument, page, service, stream, tasks
from api.routes.admin import section as admin
from api.services.administration import make_administration


def blueprints(services: Services) -> list[Blueprint]:
    """Return the blueprints of the native routes."""
    jobs, settings = services.job_service, services.settings
    long_polls = LongPolls(jobs, services.event_log, services.event_hub, services.keys, settings)
    return [
        batches.blueprint(jobs),
        multi_instrument.blueprint(jobs),
        tasks.blueprint(jobs, long_polls),
        audio.blueprint(jobs, Converter(settings, jobs.blobs)),
        events.blueprint(jobs, services.event_log, services.event_hub),
        stream.blueprint(jobs, services.audio_hub),
        deliveries.blueprint(jobs, services.deliveries),
        service.blueprint(jobs, services.health, settings),
        page.blueprint(jobs, services.health),
        admin.blueprint(
            make_administration(services.client, settings, services.keys, services.event_log, services.deliveries)
        ),
    ]


NATIVE = Dialect(
    name="tasks",
    blueprints=blueprints,
    sections=tuple(
        each.SECTION
        for each in (tasks, audio, batches, multi_instrument, events, stream, deliveries, service, page, metrics, admin)
    ),
    render_error=tasks.render_error,
    paths=("/",),
    # what is there, whether it works and how to use it: no secrets, and load balancers have no keys
    path_rules=PathRules(
        frozenset({"/", "/health", "/health/ready", "/health/live", "/metrics", "/openapi.json", "/docs"}),
        ("/docs/", "/page/"),
        admin_paths=("/admin",),
    ),
    endpoint_errors={"tasks.status": tasks.render_poll_error},
)
