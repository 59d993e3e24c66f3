"""Register the native API as the published ones are. Its routes are api/routes; it owns what no other does."""

from __future__ import annotations

from flask import Blueprint

from api.auth.path_rules import PathRules
from api.auth.share_links import ShareLinks
from api.conversion.converter import Converter
from api.dialects.dialect import Dialect, Services
from api.handlers.long_poll import LongPolls
from api.routes import (
    audio,
    batches,
    deliveries,
    events,
    keeping,
    metrics,
    multi_instrument,
    page,
    service,
    shared_page,
    stream,
    tasks,
)
from api.routes.admin import section as admin
from api.services.administration import make_administration
from shared.accounts.signed_urls import Signer


def blueprints(services: Services) -> list[Blueprint]:
    """Return the blueprints of the native routes."""
    jobs, settings = services.job_service, services.settings
    signer = Signer(services.client, settings.link_ttl_s)
    share_links = ShareLinks(settings, services.keys, signer, jobs.keeping.kept_tasks)
    long_polls = LongPolls(jobs, services.event_log, services.event_hub, services.keys, settings)
    return [
        batches.blueprint(jobs),
        multi_instrument.blueprint(jobs),
        tasks.blueprint(jobs, long_polls),
        audio.blueprint(jobs, Converter(settings, jobs.blobs)),
        keeping.blueprint(jobs, share_links, settings),
        shared_page.blueprint(jobs, share_links),
        events.blueprint(jobs, services.event_log, services.event_hub),
        stream.blueprint(jobs, services.audio_hub),
        deliveries.blueprint(jobs, services.deliveries),
        service.blueprint(jobs, services.health, settings),
        page.blueprint(jobs, services.health),
        admin.blueprint(
            make_administration(
                services.client, settings, services.keys, services.event_log, services.deliveries, jobs.storage
            )
        ),
    ]


NATIVE = Dialect(
    name="tasks",
    blueprints=blueprints,
    sections=tuple(
        each.SECTION
        for each in (
            *(tasks, keeping, shared_page, batches, multi_instrument, events, stream, deliveries),
            *(service, page, metrics, admin),
        )
    ),
    render_error=tasks.render_error,
    paths=("/",),
    # what is there, whether it works and how to use it: no secrets, and load balancers have no keys; and links by
    # which tasks are shared, which carry a token
    path_rules=PathRules(
        frozenset({"/", "/health", "/health/ready", "/health/live", "/metrics", "/openapi.json", "/docs", "/admin"})
        | shared_page.OPEN_PATHS,
        ("/docs/", "/page/"),
        admin_paths=("/admin",),
    ),
    endpoint_errors={"tasks.status": tasks.render_poll_error},
)
