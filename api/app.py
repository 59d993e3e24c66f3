"""create_app(settings): the Flask application, wired from its parts. Does no work of its own."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, jsonify
from flask_cors import CORS

from api import errors, health
from api.core import Core
from api.dialects import tasks
from shared.connection import connect, refuse_evicting
from shared.errors import BrokerUnavailable
from shared.jobstore import JobStore
from shared.presence import Roster
from shared.queue import Tickets, make_celery
from shared.settings import Settings
from shared.storage import open_storage
from shared.sweeper import Sweeper
from shared.version import VERSION

log = logging.getLogger(__name__)

FORM_FIELD_BYTES = 256 * 1024


def create_app(settings: Settings, *, sweep: bool = False) -> Flask:
    """The API. With `sweep`, this process also runs the sweeper (one process at a time leads).

    Raises ConfigurationError when the broker's eviction policy could drop jobs.
    """
    client = connect(settings)
    _check_broker(client)
    store = JobStore(client, settings)
    tickets = Tickets(make_celery(settings), settings)
    core = Core(settings, store, Roster(client, settings), tickets, open_storage(settings))

    app = Flask("ostinato", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = round(settings.max_body_mb * 2**20)
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_FIELD_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    CORS(app, origins=list(settings.cors_origins), expose_headers=["Location", "Retry-After", "Content-Disposition"])
    app.register_blueprint(tasks.blueprint(core))
    app.register_blueprint(health.blueprint(core, settings))
    app.add_url_rule("/", "index", _index)
    errors.install(app, [tasks.DIALECT])
    if sweep:
        Sweeper(store, tickets, client, settings).start()
    return app


def _check_broker(client: Any) -> None:
    try:
        refuse_evicting(client)
    except BrokerUnavailable as error:
        # the API may come up before its broker does: it answers 503 until then
        log.warning("%s", error)


def _index() -> Response:
    return jsonify(
        name="Ostinato",
        version=VERSION,
        submit="POST /tasks",
        poll="GET /tasks/<task_id>",
        audio="GET /tasks/<task_id>/audio",
        cancel="DELETE /tasks/<task_id>",
        models="GET /models",
        health="GET /health",
    )
