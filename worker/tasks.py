"""The Celery tasks: decode the message, hand over; nothing more."""

from __future__ import annotations

import logging

from celery import Celery

from shared.queue import TICKET_TASK, TICKET_VERSION
from worker.boot import Worker

log = logging.getLogger(__name__)


def register(app: Celery, worker: Worker) -> None:
    """Make `app` answer claim tickets with `worker`."""

    @app.task(name=TICKET_TASK, ignore_result=True)
    def ticket(version: int, model: str) -> bool:
        """A claim ticket: this model's queue has work. True when a job was claimed and run."""
        if version > TICKET_VERSION:
            log.error("ticket of version %s drawn, this worker speaks %s; upgrade it", version, TICKET_VERSION)
            return False
        return worker.serve_one(model)
