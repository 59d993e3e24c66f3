"""create_app(settings): the Flask application, wired from its parts. Does no work of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from api import auth, body, cors, deliveries, docs, errors, events, health, limits, links, metrics, streams, waiting
from api.core import Core
from api.decoder_slots import open_slots
from api.dialects import audiocraft_rest, batches, compositions, musicgen_ai, runpod, srocks, streaming, tasks, v1_audio
from api.following import Following
from api.keys import Keys
from api.listeners import Listeners
from api.long_poll import LongPolls
from api.relay import Relay
from api.security_headers import forbid_sniffing
from api.stored_files import StoredFiles
from api.tally import Tally
from shared.accounts.signed_urls import Signer
from shared.broker.connection import connect, refuse_evicting
from shared.broker.counters import Counters
from shared.broker.pool_waits import count_waits
from shared.dialects.runpod_notes import SideNotes
from shared.errors import BrokerUnavailable
from shared.jobs.audio_chunks import ChunkStore
from shared.jobs.event_log import EventLog
from shared.jobs.reaper import Sweeper
from shared.jobs.store import JobStore
from shared.jobs.tickets import Tickets, make_celery
from shared.settings import Settings
from shared.storage import open_storage
from shared.webhooks.delivery_queue import Deliveries
from shared.workers.registry import Roster

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
    roster, told = Roster(client, settings), Deliveries(client, settings)
    own_address = partial(links.own_address, settings)
    core = Core(settings, store, roster, tickets, open_storage(settings), own_address)

    app = PlainFlask("ostinato", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = round(settings.max_body_mb * 2**20)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    signer = Signer(client, settings.link_ttl_s)
    app.extensions["signer"] = signer
    keys = Keys(client, settings.api_keys)
    metrics.install(app, settings, metrics.Service(store, roster, counters, told))  # first: it times refusals too
    body.install(app, settings.max_json_kb)
    waiting.install(app)
    forbid_sniffing(app)
    cors.install(app, keys, settings)
    auth.install(app, keys, signer, settings)
    limits.install(app, limits.Limits(client, settings))
    app.extensions["listeners"] = Listeners(keys, most=settings.max_open_streams, check_s=settings.key_check_s)
    app.register_blueprint(batches.blueprint(core))
    app.register_blueprint(compositions.blueprint(core))
    event_log = EventLog(client)
    following = Following(event_log, partial(events.outlooks, core), store.statuses)
    app.extensions["following"] = following  # the entry point ends its streams when the process is to stop
    app.register_blueprint(tasks.blueprint(core, LongPolls(core, event_log, following, keys, settings)))
    app.register_blueprint(events.blueprint(core, event_log, following))
    relay = Relay(ChunkStore(client, settings), lambda: following.stopping)
    app.register_blueprint(streams.blueprint(core, relay))
    app.register_blueprint(streaming.blueprint(core, relay, keys, settings))
    app.register_blueprint(deliveries.blueprint(core, told))
    app.register_blueprint(health.blueprint(core, keys, settings))
    _speak(app, core, client, settings, Tally(client, store, counters))
    if sweep:
        Sweeper(store, tickets, client, settings).start()
    return app


def _speak(app: Flask, core: Core, client: Any, settings: Settings, tally: Tally) -> None:
    """The published documents' dialects, and who words the errors of which path."""
    app.register_blueprint(v1_audio.blueprint(core, settings))
    app.register_blueprint(srocks.blueprint(core, StoredFiles(client, core, settings.max_stored_files), settings))
    app.register_blueprint(audiocraft_rest.blueprint(core, settings))
    app.register_blueprint(musicgen_ai.blueprint(core, settings))
    app.register_blueprint(runpod.blueprint(core, SideNotes(client, settings.result_ttl_s), tally, settings))
    modules = (srocks, audiocraft_rest, v1_audio, musicgen_ai, runpod, tasks)
    errors.install(app, [tasks.POLL_DIALECT, *(module.DIALECT for module in modules)])
    further = (batches, compositions, events, streams, streaming, deliveries, health, metrics)
    docs.install(app, [module.SECTION for module in (*reversed(modules), *further)])


def _check_broker(client: Any) -> None:
    try:
        refuse_evicting(client)
    except BrokerUnavailable as error:
        # the API may come up before its broker does: it answers 503 until then
        log.warning("%s", error)
