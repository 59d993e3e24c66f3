"""create_app(settings): the Flask application, wired from its parts. Does no work of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from api.auth import authenticate, cors, rate_limits
from api.auth.keys import Keys
from api.auth.stream_limits import StreamLimits
from api.dialects.audiocraft_rest import routes as audiocraft_rest
from api.dialects.musicgen_ai import routes as musicgen_ai
from api.dialects.musicgen_ai import websocket
from api.dialects.runpod import routes as runpod
from api.dialects.srocks import routes as srocks
from api.dialects.srocks.stored_files import StoredFiles
from api.dialects.v1_audio import routes as v1_audio
from api.handlers import audio_urls
from api.handlers.long_poll import LongPolls
from api.http import error_handlers, request_body, request_state
from api.http.security_headers import forbid_sniffing
from api.openapi import pages
from api.routes import batches, deliveries, events, metrics, multi_instrument, service, stream, tasks
from api.services.job_counts import JobCounter
from api.services.job_service import JobService
from api.streaming.audio_hub import AudioHub
from api.streaming.event_hub import EventHub
from api.uploads.decoder_slots import open_slots
from shared.accounts.signed_urls import Signer
from shared.broker.connection import connect, refuse_evicting
from shared.broker.counters import Counters
from shared.broker.pool_waits import count_waits
from shared.dialects.runpod_notes import RunpodNotes
from shared.errors import BrokerUnavailable
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.event_log import EventLog
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


class PlainFlask(Flask):
    """Flask without async views: it would ask of every function that a request meets whether it is one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings, *, sweep: bool = False) -> Flask:
    """The API. With `sweep`, this process also runs the sweeper (one process at a time leads).

    Raises ConfigurationError when the broker's eviction policy could drop jobs, PROMPT_FILTER does not work, or the
    folder of the decoders' slots is not this user's.
    """
    client = connect(settings, name="api", at_once=COMMANDS_AT_ONCE)
    count_waits(client)
    _check_broker(client)
    open_slots(settings)  # so that a folder which is not right is told at the start
    store = JobStore(client, settings)
    tickets = Tickets(make_celery(settings), settings, client)
    counters = Counters(client)
    registry, told = WorkerRegistry(client, settings), DeliveryQueue(client, settings)
    own_address = partial(audio_urls.own_address, settings)
    job_service = JobService(settings, store, registry, tickets, open_storage(settings), own_address)

    app = PlainFlask("ostinato", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = round(settings.max_body_mb * 2**20)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    signer = Signer(client, settings.link_ttl_s)
    app.extensions["signer"] = signer
    keys = Keys(client, settings.api_keys)
    request_state.install(app)
    metrics.install(app, settings, metrics.Service(store, registry, counters, told))  # first: it times refusals too
    request_body.install(app, settings.max_json_kb)
    forbid_sniffing(app)
    cors.install(app, keys, settings)
    authenticate.install(app, keys, signer, settings)
    rate_limits.install(app, rate_limits.Limits(client, settings))
    app.extensions["stream_limits"] = StreamLimits(keys, most=settings.max_open_streams, check_s=settings.key_check_s)
    app.register_blueprint(batches.blueprint(job_service))
    app.register_blueprint(multi_instrument.blueprint(job_service))
    event_log = EventLog(client)
    event_hub = EventHub(event_log, partial(events.outlooks, job_service), store.statuses)
    app.extensions["event_hub"] = event_hub  # the entry point ends its streams when the process is to stop
    app.register_blueprint(tasks.blueprint(job_service, LongPolls(job_service, event_log, event_hub, keys, settings)))
    app.register_blueprint(events.blueprint(job_service, event_log, event_hub))
    audio_hub = AudioHub(ChunkStore(client, settings), lambda: event_hub.stopping)
    app.register_blueprint(stream.blueprint(job_service, audio_hub))
    app.register_blueprint(websocket.blueprint(job_service, audio_hub, keys, settings))
    app.register_blueprint(deliveries.blueprint(job_service, told))
    app.register_blueprint(service.blueprint(job_service, keys, settings))
    _speak(app, job_service, client, settings, JobCounter(client, store, counters))
    if sweep:
        Reaper(store, tickets, client, settings).start()
    return app


def _speak(app: Flask, job_service: JobService, client: Any, settings: Settings, tally: JobCounter) -> None:
    """The published documents' dialects, and who words the errors of which path."""
    app.register_blueprint(v1_audio.blueprint(job_service, settings))
    app.register_blueprint(
        srocks.blueprint(job_service, StoredFiles(client, job_service, settings.max_stored_files), settings)
    )
    app.register_blueprint(audiocraft_rest.blueprint(job_service, settings))
    app.register_blueprint(musicgen_ai.blueprint(job_service, settings))
    app.register_blueprint(runpod.blueprint(job_service, RunpodNotes(client, settings.result_ttl_s), tally, settings))
    modules = (srocks, audiocraft_rest, v1_audio, musicgen_ai, runpod, tasks)
    error_handlers.install(app, [tasks.POLL_DIALECT, *(module.DIALECT for module in modules)])
    further = (batches, multi_instrument, events, stream, websocket, deliveries, service, metrics)
    pages.install(app, [module.SECTION for module in (*reversed(modules), *further)])


def _check_broker(client: Any) -> None:
    try:
        refuse_evicting(client)
    except BrokerUnavailable as error:
        # the API may come up before its broker does: it answers 503 until then
        log.warning("%s", error)
