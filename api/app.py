"""create_app(settings): wire the Flask application from its parts. Does no work of its own, and names no dialect."""

from __future__ import annotations

import logging
from functools import partial

import redis
from flask import Flask

from api.auth import authenticate, cors, rate_limits
from api.auth.keys import Keys
from api.auth.stream_limits import StreamLimits
from api.dialects.dialect import Services
from api.dialects.registry import Dialects, find_dialects
from api.handlers import audio_urls
from api.handlers.health import HealthCheck
from api.http import error_handlers, request_body
from api.http.plain_flask import PlainFlask
from api.http.request_hooks import RequestHooks
from api.http.security_headers import forbid_sniffing
from api.openapi import pages
from api.routes import events, metrics
from api.services.job_counts import JobCounter
from api.services.job_service import JobService
from api.streaming.audio_hub import AudioHub
from api.streaming.event_hub import EventHub
from api.streaming.shutdown import Shutdown
from api.uploads.decoder_slots import open_slots
from shared.accounts.signed_urls import Signer
from shared.broker.connection import connect, refuse_evicting
from shared.broker.counters import Counters
from shared.broker.pool_waits import count_waits
from shared.errors import BrokerUnavailable
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.batch_store import BatchStore
from shared.jobs.event_log import EventLog
from shared.jobs.idempotency import IdempotencyKeys
from shared.jobs.kept_tasks import KeptTasks
from shared.jobs.reaper import Reaper
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.delivery_queue import DeliveryQueue
from shared.workers.registry import WorkerRegistry

log = logging.getLogger(__name__)

# A process holds 1000 connections of callers, but its one thread keeps no more commands than these under way: further
# requests wait in line for a moment, which is faster than to open a connection for each.
COMMANDS_AT_ONCE = 32


def create_app(settings: Settings, *, reap: bool = False) -> Flask:
    """Make the API. With `reap`, this process also runs the reaper (one process at a time leads).

    Raises ConfigurationError when the broker's eviction policy could drop jobs, PROMPT_FILTER does not work, or the
    folder of the decoders' slots is not this user's.
    """
    client = connect(settings, name="api", at_once=COMMANDS_AT_ONCE)
    count_waits(client)
    _check_broker(client)
    open_slots(settings)  # so that a folder which is not right is told at the start
    store, tickets = JobStore(client, settings), Tickets(make_celery(settings), settings, client)
    counters, registry = Counters(client), WorkerRegistry(client, settings)
    services = _make_services(settings, client, store, tickets, registry, counters)
    dialects = find_dialects()
    app = _make_flask(settings)
    hooks = RequestHooks(app)
    metrics.install(app, hooks, settings, metrics.Service(store.reader, registry, counters, services.deliveries))
    request_body.install(app, hooks, settings.max_json_kb)
    hooks.after(forbid_sniffing)
    _guard(app, hooks, services, dialects)
    app.extensions["services"] = services  # of which the entry point needs the shutdown
    dialects.register(app, services)
    error_handlers.install(app, dialects.error_renderers)
    pages.install(app, dialects.sections, dialects.path_rules.is_open)
    if reap:
        Reaper(store, tickets, client, settings).start()
    return app


def _make_flask(settings: Settings) -> Flask:
    app = PlainFlask("ostinato", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = round(settings.max_body_mb * 2**20)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    return app


def _make_services(
    settings: Settings,
    client: redis.Redis,
    store: JobStore,
    tickets: Tickets,
    registry: WorkerRegistry,
    counters: Counters,
) -> Services:
    keys, event_log = Keys(client, settings.api_keys), EventLog(client)
    own_address = partial(audio_urls.own_address, settings)
    batch_store, idempotency_keys = BatchStore(client, settings), IdempotencyKeys(client, store.reader)
    storage, shutdown = open_storage(settings), Shutdown()
    kept_tasks = KeptTasks(client, settings)
    job_service = JobService(
        *(settings, store, batch_store, idempotency_keys, registry, tickets, storage, kept_tasks), own_address
    )
    outlooks = partial(events.outlooks, job_service)
    return Services(
        settings=settings,
        client=client,
        keys=keys,
        job_service=job_service,
        job_counter=JobCounter(client, store.reader, counters),
        health=HealthCheck(job_service, keys, settings),
        event_log=event_log,
        event_hub=EventHub(event_log, outlooks, store.reader.statuses, shutdown),
        audio_hub=AudioHub(ChunkStore(client, settings), shutdown),
        shutdown=shutdown,
        deliveries=DeliveryQueue(client, settings),
    )


def _guard(app: Flask, hooks: RequestHooks, services: Services, dialects: Dialects) -> None:
    """Install who may ask for what, from which page, and how often."""
    settings, keys, client = services.settings, services.keys, services.client
    app.extensions["signer"] = signer = Signer(client, settings.link_ttl_s)
    cors.install(app, hooks, keys, dialects.path_rules, settings)
    authenticate.install(app, hooks, keys, signer, dialects.path_rules, settings)
    rate_limits.install(app, hooks, rate_limits.Limits(client, settings), dialects.polls_by_post)
    app.extensions["stream_limits"] = StreamLimits(keys, most=settings.max_open_streams, check_s=settings.key_check_s)


def _check_broker(client: redis.Redis) -> None:
    try:
        refuse_evicting(client)
    except BrokerUnavailable as error:
        # the API may come up before its broker does: it answers 503 until then
        log.warning("%s", error)
