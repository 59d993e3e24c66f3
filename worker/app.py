"""The entry point: `celery -A worker.app worker --pool threads`. Reads the settings, wires the worker to Celery."""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from shared.errors import OstinatoError
from shared.queue import Tickets, make_celery
from shared.settings import read_settings
from worker.boot import Worker
from worker.tasks import register

log = logging.getLogger(__name__)

settings = read_settings()
app = make_celery(settings)
worker = Worker(settings, Tickets(app, settings))
app.conf.task_default_queue = worker.model.queue
register(app, worker)


@worker_init.connect(weak=False)
def _open(**_: Any) -> None:
    """Before the first ticket is drawn. Celery swallows a signal handler's errors, hence the exit."""
    try:
        worker.open()
    except OstinatoError as error:
        log.critical("%s", error)
        raise SystemExit(f"ostinato worker: {error}") from error
    except Exception as error:
        log.critical("the worker cannot start", exc_info=error)
        raise SystemExit(f"ostinato worker: {error}") from error


@worker_shutting_down.connect(weak=False)
def _drain(**_: Any) -> None:
    worker.drain()


@worker_shutdown.connect(weak=False)
def _close(**_: Any) -> None:
    worker.close()
